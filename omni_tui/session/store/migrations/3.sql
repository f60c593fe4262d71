-- Search: the words of all messages. `words` is a function of the program.

CREATE VIRTUAL TABLE message_words USING fts5 (
  words, content = '', tokenize = 'unicode61 remove_diacritics 2'
);

INSERT INTO message_words (rowid, words)
  SELECT seq, w FROM (SELECT seq, words(message) AS w FROM nodes) WHERE w <> '';
