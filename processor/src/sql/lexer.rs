//! Words, texts and signs of a statement, each with its place, so that parts of the text can be cut out unchanged.

use std::ops::Range;

use crate::error::QueryError;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word or a number.
    Word(String),
    /// An identifier in backquotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// Any other sign.
    Sign(char),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// A name, bare or quoted; bare ones are lower case, as in Spark's catalog.
    pub(crate) fn name(&self) -> Option<String> {
        match &self.kind {
            Kind::Word(word) => Some(word.to_lowercase()),
            Kind::Quoted(name) => Some(name.clone()),
            Kind::Text(_) | Kind::Sign(_) => None,
        }
    }
}

/// Cuts a text into tokens; comments and blanks are left out.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = text[at..].find("*/").ok_or_else(|| QueryError::Parse("a comment does not end".into()))?;
                at += end + 2;
                continue;
            }
            quote @ (b'\'' | b'`' | b'"') => {
                let content = quoted(text, &mut at, quote as char)?;
                match quote {
                    b'\'' => Kind::Text(content),
                    _ => Kind::Quoted(content),
                }
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' || bytes[at] >= 0x80) {
                    at += 1;
                }
                Kind::Word(text[start..at].to_owned())
            }
            byte => {
                at += 1;
                Kind::Sign(byte as char)
            }
        };
        found.push(Token { kind, range: start..at });
    }
    Ok(found)
}

/// A quoted piece; a doubled quote stands for one.
fn quoted(text: &str, at: &mut usize, quote: char) -> Result<String, QueryError> {
    let mut content = String::new();
    let mut letters = text[*at + 1..].char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        if letter != quote {
            content.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            content.push(quote);
            letters.next();
        } else {
            *at += 1 + place + quote.len_utf8();
            return Ok(content);
        }
    }
    Err(QueryError::Parse(format!("the text that begins at byte {} with {quote} does not end", *at)))
}

/// Splits a script at its semicolons.
pub(crate) fn statements(text: &str) -> Result<Vec<&str>, QueryError> {
    let mut found = Vec::new();
    let mut from = 0;
    for token in tokens(text)?.iter().filter(|token| token.is_sign(';')) {
        found.push(text[from..token.range.start].trim());
        from = token.range.end;
    }
    found.push(text[from..].trim());
    found.retain(|statement| tokens(statement).is_ok_and(|tokens| !tokens.is_empty()));
    Ok(found)
}
