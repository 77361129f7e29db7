//! Turns Spark's streaming SELECT into one that DataFusion plans. What is cut out of the text or put in:
//!
//! * `FROM STREAM t` and `FROM STREAM(t)`: `FROM t`, and `t` is noted as streaming
//! * `t WATERMARK col DELAY OF INTERVAL 10 SECONDS`: `t`, and the watermark is noted
//! * `window.start`, `window.end` and a bare `window` where rows are grouped by `window(…)`: the grouping expression
//! * `explode(…)`: `unnest(…)`

use super::bounds;
use super::duration;
use super::lexer::{Token, tokens};
use crate::error::QueryError;

/// A watermark that a query declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub column: String,
    pub delay_us: i64,
}

/// A table that a query reads as a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamingRead {
    pub table: String,
    pub watermark: Option<Watermark>,
}

/// A query to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub sql: String,
    pub streams: Vec<StreamingRead>,
}

pub(crate) fn rewrite(text: &str) -> Result<Rewritten, QueryError> {
    let tokens = tokens(text)?;
    let window = grouping_window(text, &tokens);
    let mut sql = String::new();
    let mut streams: Vec<StreamingRead> = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < tokens.len() {
        // A window that is long is put in for every word that names it.
        bounds::check_text(&sql)?;
        let token = &tokens[at];
        let next_is = |sign| tokens.get(at + 1).is_some_and(|next: &Token| next.is_sign(sign));
        let before_is = |sign| at > 0 && tokens[at - 1].is_sign(sign);
        let mut replace = |with: &str, end: usize| {
            sql.push_str(&text[copied..token.range.start]);
            sql.push_str(with);
            copied = end;
        };
        if token.is_word("STREAM") && at > 0 && reads_a_table(&tokens[at - 1]) {
            let (name_at, after) = if next_is('(') { (at + 2, at + 4) } else { (at + 1, at + 2) };
            let name =
                tokens.get(name_at).and_then(Token::name).ok_or_else(|| QueryError::Parse("STREAM is followed by a table".into()))?;
            if after == at + 4 && !tokens.get(at + 3).is_some_and(|token| token.is_sign(')')) {
                return Err(QueryError::Parse("')' is missing after STREAM(table".into()));
            }
            replace(&format!("\"{name}\""), tokens[after - 1].range.end);
            streams.push(StreamingRead { table: name, watermark: None });
            at = after;
        } else if token.is_word("WATERMARK") && !next_is('(') && !before_is('.') {
            let (watermark, after) = watermark(text, &tokens, at)?;
            replace("", tokens[after - 1].range.end);
            let stream =
                streams.last_mut().ok_or_else(|| QueryError::Parse("WATERMARK follows a table that is read with STREAM".into()))?;
            stream.watermark = Some(watermark);
            at = after;
        } else if token.is_word("explode") && next_is('(') {
            replace("unnest", token.range.end);
            at += 1;
        } else if let Some(window) = &window
            && token.is_word("window")
            && !next_is('(')
            && !before_is('.')
            && !(at > 0 && tokens[at - 1].is_word("AS"))
        {
            let field = tokens.get(at + 2).filter(|_| next_is('.')).and_then(Token::name);
            match field {
                Some(field) => {
                    // A field has to be named, or its column would be called after the whole expression.
                    replace(&format!("{window}['{field}']"), tokens[at + 2].range.end);
                    at += 3;
                }
                None => {
                    let is_item = tokens.get(at + 1).is_some_and(|next| next.is_sign(',') || next.is_word("FROM"));
                    replace(&if is_item { format!("{window} AS \"window\"") } else { window.clone() }, token.range.end);
                    at += 1;
                }
            }
        } else {
            at += 1;
        }
    }
    sql.push_str(&text[copied..]);
    Ok(Rewritten { sql, streams })
}

fn reads_a_table(before: &Token) -> bool {
    before.is_word("FROM") || before.is_word("JOIN") || before.is_sign(',')
}

/// The text of the `window(…)` that rows are grouped by.
fn grouping_window(text: &str, tokens: &[Token]) -> Option<String> {
    let group = tokens.windows(2).position(|pair| pair[0].is_word("GROUP") && pair[1].is_word("BY"))?;
    let start = (group..tokens.len().saturating_sub(1)).find(|&at| tokens[at].is_word("window") && tokens[at + 1].is_sign('('))?;
    let mut depth = 0;
    for token in &tokens[start + 1..] {
        depth += i32::from(token.is_sign('(')) - i32::from(token.is_sign(')'));
        if depth == 0 {
            return Some(text[tokens[start].range.start..token.range.end].to_owned());
        }
    }
    None
}

/// `WATERMARK col DELAY OF INTERVAL 10 SECONDS`; answers the place behind it.
fn watermark(text: &str, tokens: &[Token], at: usize) -> Result<(Watermark, usize), QueryError> {
    let wanted = || QueryError::Parse("WATERMARK is written: WATERMARK column DELAY OF INTERVAL 10 SECONDS".into());
    let column = tokens.get(at + 1).and_then(Token::name).ok_or_else(wanted)?;
    if !(tokens.get(at + 2).is_some_and(|t| t.is_word("DELAY")) && tokens.get(at + 3).is_some_and(|t| t.is_word("OF"))) {
        return Err(wanted());
    }
    let interval = tokens.get(at + 4).ok_or_else(wanted)?;
    let (from, last) = match interval.is_word("INTERVAL") {
        // INTERVAL '10 seconds' or INTERVAL 10 SECONDS or INTERVAL '10' SECONDS
        true if matches!(&tokens.get(at + 5).ok_or_else(wanted)?.kind, super::lexer::Kind::Text(t) if t.contains(' ')) => (at + 5, at + 5),
        true => (at + 5, at + 6),
        false => (at + 4, at + 4),
    };
    let end = tokens.get(last).ok_or_else(wanted)?.range.end;
    if text[tokens[from].range.start..].starts_with('-') {
        return Err(QueryError::analysis("delay threshold should not be negative"));
    }
    let delay_us = duration::parse_us(&text[tokens[from].range.start..end].replace('\'', ""))?;
    Ok((Watermark { column, delay_us }, last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streaming_select_becomes_one_that_is_planned() {
        let text = "SELECT window.start AS s, window, count(*) FROM STREAM orders WATERMARK at DELAY OF INTERVAL 10 SECONDS \
                    GROUP BY window(at, '10 seconds')";
        let found = rewrite(text).unwrap();
        assert_eq!(
            found.sql,
            "SELECT window(at, '10 seconds')['start'] AS s, window(at, '10 seconds') AS \"window\", count(*) FROM \"orders\"  \
             GROUP BY window(at, '10 seconds')"
        );
        let watermark = Some(Watermark { column: "at".into(), delay_us: 10_000_000 });
        assert_eq!(found.streams, [StreamingRead { table: "orders".into(), watermark }]);
    }

    #[test]
    fn what_is_no_stream_stays_as_it_is() {
        let text = "SELECT stream, 'FROM STREAM x' FROM t";
        assert_eq!(rewrite(text).unwrap(), Rewritten { sql: text.into(), streams: vec![] });
        assert!(rewrite("SELECT 1 FROM STREAM t WATERMARK at DELAY 10 SECONDS").is_err());
    }

    #[test]
    fn a_text_does_not_grow_beyond_its_bound() {
        let text = format!("SELECT {} FROM t GROUP BY window({}, '1 second')", "window, ".repeat(10_000), "x".repeat(100_000));
        assert!(rewrite(&text).unwrap_err().to_string().contains("bytes, more than"));
    }
}
