"""Recognising chunks that say nothing of their document: notices, consents, rows of links. Pure.

Conservative: a chunk counts only when each of its lines is such a line. A paragraph about copyright or
cookies is long, or says something else too, and stays what it is. The flag is for readers to filter by;
nothing is left out because of it.
"""

from __future__ import annotations

import re

LONGEST_LINE = 400
LONGEST_LINK = 24
LEAST_LINKS = 3
"""A row of links has at least so many, none longer than that, and most of them known."""

_NOTICES = re.compile(
    r"""
      ^(?:copyright\W{0,3}(?:\(c\)|©|\d{4})|©|\(c\)\s*\d{4}|ⓒ).{0,160}$
    | ^.{0,120}\ball\ rights\ reserved\b.{0,60}$
    | ^.{0,120}(?:無断転載|無断複製|無断複写|無断引用|無断で(?:転載|複製)).{0,80}$
    | ^.{0,80}著作権は.{1,60}(?:帰属します|帰属する|属します)。?$
    | ^(?:\W*(?:back\ to\ top|return\ to\ top|to\ top|top\ of\ (?:the\ )?page|skip\ to\ (?:the\ )?(?:main\ )?content
        |skip\ navigation|print\ this\ page|powered\ by\ \w+)\W*)$
    | ^\W*(?:この)?(?:ページ|頁)の?(?:先頭|トップ|上部|最上部)(?:へ|に)?(?:戻る|移動する?)?\W*$
    | ^\W*(?:トップ|先頭|本文)(?:へ|に)(?:戻る|スキップ|移動)(?:します|する)?\W*$
    | ^\W*(?:メニュー|ナビゲーション)を(?:開く|閉じる|飛ばす|スキップ(?:する)?)\W*$
    """,
    re.IGNORECASE | re.VERBOSE,
)

_COOKIES = re.compile(r"\bcookies?\b|クッキー|Cookie", re.IGNORECASE)
_ASKS = re.compile(
    r"\b(?:we|this (?:web)?site|our (?:web)?site)\b[^.]{0,30}\buses?\b"
    r"|\b(?:accept|allow|reject|manage)\b[^.]{0,20}\bcookies?\b"
    r"|(?:当|本)(?:ウェブ)?(?:サイト|ホームページ)(?:では|は)",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"\b(?:consent|accept|agree|continu\w+|allow|reject|preferences|learn more|your experience)\b|同意|承諾|許可",
    re.IGNORECASE,
)

_LINK_SEPARATOR = re.compile(r"\s*[|｜›»>·•／/]\s*|\s{2,}")
_KNOWN = """home|top|about|about us|contact|contact us|contacts|login|log in|sign in|sign up|register|logout|log out
    |search|help|faq|sitemap|site map|privacy|privacy policy|terms|terms of use|terms of service|cookie policy
    |accessibility|news|blog|careers|jobs|press|menu|share|tweet|print|next|previous|prev|back|english|japanese|subscribe|rss
    |ホーム|トップ|トップページ|会社概要|会社案内|企業情報|お問い合わせ|お問合せ|お問合わせ|サイトマップ|ログイン|ログアウト
    |新規登録|会員登録|検索|ヘルプ|よくある質問|アクセス|採用情報|お知らせ|ニュース|プライバシーポリシー|個人情報保護方針
    |利用規約|サイトポリシー|免責事項|リンク集|メニュー|シェア|印刷|次へ|前へ|戻る|日本語|英語"""
_LINKS = frozenset(name.strip() for name in _KNOWN.split("|"))


def is_boilerplate(body: str) -> bool:
    """Say whether a passage is nothing but notices, consents and links.

    Args:
        body: what is shown of a chunk that holds no table.
    """
    links = notices = 0
    for line in filter(None, map(str.strip, body.splitlines())):
        if _is_link(line):
            links += 1
        elif _is_notice(line):
            notices += 1
        else:
            return False
    return notices > 0 or links >= LEAST_LINKS  # A heading "News" alone is no row of links.


def _is_notice(line: str) -> bool:
    if len(line) > LONGEST_LINE:
        return False
    return bool(_NOTICES.match(line)) or _asks_for_consent(line) or _is_row_of_links(line)


def _asks_for_consent(line: str) -> bool:
    return all(pattern.search(line) for pattern in (_COOKIES, _ASKS, _CONSENT))


def _is_row_of_links(line: str) -> bool:
    names = [name for name in _LINK_SEPARATOR.split(line) if name]
    if len(names) < LEAST_LINKS or any(len(name) > LONGEST_LINK for name in names):
        return False
    return sum(map(_is_link, names)) * 2 > len(names)


def _is_link(name: str) -> bool:
    return name.strip("[]()・ ").lower() in _LINKS
