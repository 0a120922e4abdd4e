"""Word, OpenDocument and presentations: packages of XML, put in order before they are read."""
