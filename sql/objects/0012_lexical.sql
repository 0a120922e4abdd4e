-- Purpose: the one tokenizer, for what is stored and for what is asked, on stock Postgres, and the same under every
-- LC_CTYPE: regular expressions and lower() run under COLLATE "C" and name characters by number.
--
-- Japanese, Chinese, Korean and other scripts that put no blank between words become all pairs of neighbouring
-- characters, and the last character of a run alone, so that a single character is found wherever it stands.
-- Other words are stemmed as English; what is no English word keeps its form.
-- Digits and letters that hang together (MG-204, foo_bar, v1.13.27) give their parts and the whole without marks.

-- Counts the versions of these functions: texts under an older one are read again. A change of what they return adds 1.
CREATE OR REPLACE FUNCTION lexer_version() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 2 $$;

-- One form for what people write in several: width, case, Latin and Greek accents (not dakuten), old and rare forms of
-- kanji, the iteration marks, hyphens and apostrophes. Characters that nobody sees are left out. Folding twice changes
-- nothing. Text in ASCII pays for lower() alone.
CREATE OR REPLACE FUNCTION fold_text(written text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    folded text COLLATE "C" := written;
    -- Soft hyphens, joiners, marks of direction, variation selectors.
    unseen CONSTANT text := '\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff'
    '\U000e0000-\U000e0fff';
    marked CONSTANT text := '\u00c0-\u024f\u0300-\u03ff\u1e00-\u1fff';
    -- A form in the first string is read as the one below it in the second.
    variants CONSTANT text := '亞惡壓圍醫爲壹隱榮營衞驛圓鹽緣艷應歐毆櫻奧橫溫穩假價畫會壞懷繪擴殼覺學嶽樂勸卷寬歡罐觀關陷巖顏歸氣龜僞戲犧舊據'
        || '擧峽挾狹曉區驅勳薰徑惠溪經繼莖螢輕鷄藝缺儉劍劒圈檢權獻縣險顯驗嚴效廣恆鑛號國囯黑濟碎齋斎齊劑册雜參慘棧蠶贊殘絲'
        || '齒兒辭濕實舍寫釋壽收從澁獸縱肅處敍敘奬獎將燒稱證乘剩壤孃條淨疊疉穰讓釀囑觸寢愼晉眞盡圖粹醉隨髓數樞聲靜攝竊專戰'
        || '淺潛濳纖踐錢禪雙壯搜插爭總聰莊裝騷增臟藏屬續墮體軆對帶滯臺瀧擇澤單擔膽團彈斷癡遲晝蟲鑄廳聽敕鎭遞鐵鉃轉點傳黨盜'
        || '燈當鬪鬭德悳獨讀屆繩貳惱腦霸廢拜賣麥發髮拔蠻祕濱濵甁拂佛倂竝變邊邉辨辯瓣寶寳豐襃飜沒每萬滿默譯藥彌豫餘與譽搖樣'
        || '謠來賴亂覽龍兩獵壘勵禮隸靈齡戀爐勞樓錄灣瀨髙﨑嵜碕嶋嶌冨峯桒舘渕渊槇瑤堯遙靑淸黃敎歷曆步戶吳內吿彥產絕稅說銳閱'
        || '悅脫緖郞鄕鄊卽旣槪虛强凉凛煕熈頴曾麴禱頰剝吞塡搔瀆蟬蠟醬鷗攢繫蠣礪竃檜檮鹼嚙軀俱焰俠讚鰺藪籔篭壺萊屛幷簞顚蘆裡'
        || '姊烟濶畧飮餠鈎欝穐枩栁栢槗𠮷圡埜靏靍曻蔣户戾瘦祿穗稻邨卆囘畵尓弍珎駈窻窗牀籖糺徵揭渴擊鄰驒盖麪麵雞鴈虗乕啞潑醱'
        || '囊鎗眾耻楳鸖𠮟姬綠淚毁晚隂姸娛曬值杦鑓ヶヵ〻';
    standard CONSTANT text := '亜悪圧囲医為壱隠栄営衛駅円塩縁艶応欧殴桜奥横温穏仮価画会壊懐絵拡殻覚学岳楽勧巻寛歓缶観関陥巌顔帰気亀偽戯犠旧拠'
        || '挙峡挟狭暁区駆勲薫径恵渓経継茎蛍軽鶏芸欠倹剣剣圏検権献県険顕験厳効広恒鉱号国国黒済砕斉斉斉剤冊雑参惨桟蚕賛残糸'
        || '歯児辞湿実舎写釈寿収従渋獣縦粛処叙叙奨奨将焼称証乗剰壌嬢条浄畳畳穣譲醸嘱触寝慎晋真尽図粋酔随髄数枢声静摂窃専戦'
        || '浅潜潜繊践銭禅双壮捜挿争総聡荘装騒増臓蔵属続堕体体対帯滞台滝択沢単担胆団弾断痴遅昼虫鋳庁聴勅鎮逓鉄鉄転点伝党盗'
        || '灯当闘闘徳徳独読届縄弐悩脳覇廃拝売麦発髪抜蛮秘浜浜瓶払仏併並変辺辺弁弁弁宝宝豊褒翻没毎万満黙訳薬弥予余与誉揺様'
        || '謡来頼乱覧竜両猟塁励礼隷霊齢恋炉労楼録湾瀬高崎崎崎島島富峰桑館淵淵槙瑶尭遥青清黄教歴暦歩戸呉内告彦産絶税説鋭閲'
        || '悦脱緒郎郷郷即既概虚強涼凜熙熙穎曽麹祷頬剥呑填掻涜蝉蝋醤鴎攅繋蛎砺竈桧梼鹸噛躯倶焔侠讃鯵薮薮籠壷莱屏并箪顛芦裏'
        || '姉煙闊略飲餅鉤鬱秋松柳柏橋吉土野鶴鶴昇蒋戸戻痩禄穂稲村卒回画爾弐珍駆窓窓床籤糾徴掲渇撃隣騨蓋麺麺鶏雁虚虎唖溌醗'
        || '嚢槍衆恥梅鶴叱姫緑涙毀晩陰妍娯晒値杉槍ケカ々';
BEGIN
    IF folded !~ '[^\x01-\x7f]' THEN
        RETURN lower(folded);
    END IF;
    IF folded IS NOT NFKC NORMALIZED THEN
        folded := normalize(folded, NFKC);
    END IF;
    -- One look for all that is rare.
    IF folded !~ ('[' || unseen || marked || '\u0400-\u042f\u0490\u2010-\u2013\u2018\u2019\u2212々ゝヽ' || variants || ']') THEN
        RETURN lower(folded);
    END IF;
    IF folded ~ ('[' || unseen || ']') THEN
        folded := normalize(regexp_replace(folded, '[' || unseen || ']+', '', 'g'), NFKC);
    END IF;
    IF folded ~ ('[' || marked || ']') THEN
        folded := translate(folded, 'ØøĐđŁłÐðıĦħŦŧ', 'OoDdLlDdiHhTt');
        folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae');
        folded := replace(replace(replace(replace(folded, 'œ', 'oe'), 'Œ', 'oe'), 'þ', 'th'), 'Þ', 'th');
        folded := normalize(
            regexp_replace(normalize(folded, NFD), '([A-Za-z\u0391-\u03c9])[\u0300-\u036f]+', '\1', 'g'), NFC
        );
        folded := translate(folded, 'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩς', 'αβγδεζηθικλμνξοπρστυφχψωσ');
    END IF;
    IF folded ~ '[\u0400-\u042f\u0490]' THEN
        folded := translate(
            folded,
            'АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏҐ',
            'абвгдежзийклмнопрстуфхцчшщъыьэюяѐёђѓєѕіїјљњћќѝўџґ'
        );
    END IF;
    folded := translate(folded, '‐‑‒–−‘’', '-----''''');
    IF folded ~ ('[' || variants || ']') THEN
        folded := translate(folded, variants, standard);
    END IF;
    IF folded ~ '[々ゝヽ]' THEN
        folded := regexp_replace(folded, '([\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff])々+', '\1\1', 'g');
        folded := regexp_replace(regexp_replace(folded, '([ぁ-ゖ])ゝ+', '\1\1', 'g'), '([ァ-ヺ])ヽ+', '\1\1', 'g');
    END IF;
    RETURN lower(folded);
END
$$;

-- The words of a folded text that stand between blanks or marks, each followed by a blank.
CREATE OR REPLACE FUNCTION spaced_words(folded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    words text COLLATE "C" := folded;
    wholes text;
BEGIN
    IF words !~ '[a-z0-9\u00aa-\u1fff\u2c00-\u2dff\ua000-\uabff\ufb00-\ufeff\U00010000-\U0001efff]' THEN
        RETURN '';
    END IF;
    IF words ~ '[a-z]''' THEN
        words := regexp_replace(words, '([a-z])''(s|t|re|ve|ll|d|m)\M', '\1 ', 'g');
    END IF;
    IF words ~ '[a-z](\+\+|#)' THEN
        words := regexp_replace(words, '\m([a-z]+)\+\+', '\1 \1plusplus ', 'g');
        words := regexp_replace(words, '\m([a-z])#(?![a-z0-9])', '\1 \1sharp ', 'g');
    END IF;
    IF words ~ '[a-z0-9][-_.'',][a-z0-9]' THEN
        SELECT string_agg(
            CASE
                WHEN bare ~ '^[0-9]+\.[0-9.]+$' THEN bare
                WHEN bare ~ ',' AND bare !~ '^[0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]+)?$' THEN ''
                WHEN bare ~ '^[0-9,]+\.[0-9]+$' THEN translate(bare, ',', '')
                ELSE translate(bare, '-_.'',', '')
            END, ' '
        ) INTO wholes
        FROM regexp_matches(words, '[a-z0-9]+(?:[-_.'',][a-z0-9]+)+', 'g') AS found (parts)
        CROSS JOIN LATERAL (SELECT regexp_replace(found.parts[1], '^v(?=[0-9])', '') AS bare) AS b;
    END IF;
    words := regexp_replace(
        words,
        '[^a-z0-9 \u00aa\u00b5\u00ba\u00df-\u00f6\u00f8-\u02c1\u0300-\u037d\u0386\u0388-\u0559\u0561-\u0588\u0591-\u05bd'
        '\u05d0-\u05f2\u0610-\u061a\u0620-\u0669\u066e-\u06d3\u06d5-\u06ff\u0710-\u0963\u0966-\u096f\u0971-\u0dff'
        '\u0f00\u0f18-\u0f39\u0f40-\u0fbc\u10a0-\u10fa\u10fc-\u10ff\u1200-\u135a\u1380-\u166c\u1681-\u169a\u16a0-\u16ea'
        '\u1810-\u1fff\u2c00-\u2dff\ua000-\ua95f\ua980-\uabff\ufb00-\ufd3d\ufd50-\ufdff\ufe70-\ufefe'
        '\U00010000-\U0001afff\U0001b170-\U0001cfff\U0001e000-\U0001efff]+',
        ' ', 'g'
    );
    IF words ~ '[a-z][0-9]|[0-9][a-z]' THEN
        words := regexp_replace(
            words, '\m(?:([a-z]+)([0-9]+)|([0-9]+)([a-z]+))\M', '\1\2\3\4 \1\3 \2\4', 'g'
        );
    END IF;
    words := words || ' ' || coalesce(wholes, '') || ' ';
    IF words ~ '[^ ]{{65}}' THEN
        words := regexp_replace(words, '[^ ]{{64}}', '\& ', 'g');
    END IF;
    RETURN words;
END
$$;

-- The runs of a folded text in scripts without blanks between words, each followed by a blank.
CREATE OR REPLACE FUNCTION unspaced_runs(folded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    -- Thai, Lao, Burmese, Khmer; Hangul; kanji, kana, bopomofo.
    foreign_to_them CONSTANT text := '[^\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0eff\u1000-\u1049\u1050-\u109f\u1100-\u11ff'
    '\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u309a\u309d-\u309f\u30a1-\u30fa'
    '\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff'
    '\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]+';
BEGIN
    IF folded COLLATE "C" !~ '[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u2e80-\ud7ff\uf900-\uffff\U0001b000-\U0003ffff]' THEN
        RETURN '';
    END IF;
    RETURN regexp_replace(folded COLLATE "C", foreign_to_them, ' ', 'g') || ' ';
END
$$;

-- What is stored for a text: a lexeme has as many positions as the text has of it, 255 at most, and that is all that
-- positions tell. Postgres takes those above 16,383 for one; of more than 65,536 characters, which no chunk has, the
-- rest is left.
CREATE OR REPLACE FUNCTION lexemes(written text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    folded CONSTANT text := left({corpus}.fold_text(left(written, 65536)), 65536);
    words CONSTANT text := {corpus}.spaced_words(folded);
    runs CONSTANT text := {corpus}.unspaced_runs(folded);
    stored text := '';
BEGIN
    IF words <> '' THEN
        stored := coalesce((
            SELECT string_agg(
                coalesce((ts_lexize('pg_catalog.english_stem', w.word))[1], w.word) || ':' || w.place, ' '
            )
            FROM string_to_table(words, ' ') WITH ORDINALITY AS w (word, place)
            WHERE w.word <> ''
        ), '');
    END IF;
    IF runs <> '' THEN
        stored := stored || ' ' || coalesce((
            SELECT replace(string_agg(p.one || p.next || ':' || p.place, ' '), ' :', ':')
            FROM ROWS FROM (string_to_table(runs, null), string_to_table(substr(runs, 2), null))
                WITH ORDINALITY AS p (one, next, place)
            WHERE p.one <> ' '
        ), '');
    END IF;
    RETURN stored::tsvector;
END
$$;

-- How many terms a text holds, repeated ones counted.
CREATE OR REPLACE FUNCTION lexeme_count(lexemes tsvector) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT coalesce(sum(cardinality(u.positions)), 0)::integer FROM unnest(lexemes) AS u $$;

-- The distinct terms of a question. One that is a single character of a script without blanks is a prefix: it finds the
-- pairs that begin with it, and itself. A single hiragana between other words is a particle, and no prefix.
-- What only holds a sentence together weighs a quarter: English stop words and pairs of hiragana (docs/quality.md).
DROP FUNCTION IF EXISTS question_terms(text);
CREATE FUNCTION question_terms(words text) RETURNS TABLE (term text, prefix boolean, weight double precision)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE ROWS 16
AS $$
DECLARE
    folded CONSTANT text := left({corpus}.fold_text(left(words, 65536)), 65536);
    runs CONSTANT text := {corpus}.unspaced_runs(folded);
BEGIN
    RETURN QUERY
    WITH found AS (
        SELECT
            coalesce(s.stems[1], w.word) AS term,
            false AS alone,
            coalesce(cardinality(s.stems), 1) = 0 AS functional
        FROM string_to_table({corpus}.spaced_words(folded), ' ') AS w (word)
        CROSS JOIN LATERAL (SELECT ts_lexize('pg_catalog.english_stem', w.word) AS stems OFFSET 0) AS s
        WHERE w.word <> ''
        UNION ALL
        SELECT
            rtrim(p.one || p.next),
            p.next = ' ',
            p.one || rtrim(p.next) COLLATE "C" ~ '^[\u3041-\u309fー]+$'
        FROM ROWS FROM (string_to_table(' ' || runs, null), string_to_table(runs, null), string_to_table(substr(runs, 2), null))
            AS p (before, one, next)
        WHERE p.one <> ' ' AND (p.next <> ' ' OR p.before = ' ')
    )

    SELECT
        f.term,
        f.alone AND (NOT f.functional OR count(*) OVER () = 1),
        CASE WHEN f.functional THEN 0.25 ELSE 1 END::double precision
    FROM (
        SELECT
            each.term,
            each.alone,
            bool_and(each.functional) AS functional
        FROM found AS each
        GROUP BY each.term, each.alone
    ) AS f;
END
$$;

REVOKE ALL ON FUNCTION
lexer_version(), fold_text(text), spaced_words(text), unspaced_runs(text), lexemes(text), lexeme_count(tsvector),
question_terms(text)
FROM public;
GRANT EXECUTE ON FUNCTION
lexer_version(), fold_text(text), spaced_words(text), unspaced_runs(text), lexemes(text), lexeme_count(tsvector),
question_terms(text)
TO {pipeline};
