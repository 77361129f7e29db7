//! What a statement may be at most.
//!
//! DataFusion parses, plans, runs and drops an expression or a plan by recursion, a level for each operator or part of a query, and a
//! stack that is full ends the process. So they are counted before it sees them, by the tokens that it cuts itself: what is too much is
//! refused, and for the rest a thread has [`STACK_BYTES`].

use std::collections::HashMap;

use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::QueryError;
use crate::limit::{
    CASES_MAX, NAME_DOTS_MAX, OPERATORS_MAX, PARENTHESES_MAX, PARTS_MAX, PARTS_WRITTEN_OUT_MAX, STATEMENT_BYTES_MAX, TRIED_TWICE_MAX,
};

/// The stack of a thread that runs statements or queries. By the frames of a debug build, the deepest that is let in takes about half of it
/// (16 KiB an operator, 120 KiB a part of a query); a release build takes far less. What is never used is never backed by memory.
pub const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Looks at a text that DataFusion is to plan.
pub(crate) fn check(sql: &str) -> Result<(), QueryError> {
    check_text(sql)?;
    let tokens = Tokenizer::new(&DatabricksDialect, sql).tokenize().map_err(|error| QueryError::Parse(error.to_string()))?;
    let mut size = Size::default();
    for token in &tokens {
        size.count(token);
        if size.outside.len() > PARENTHESES_MAX {
            return Err(too_deep(PARENTHESES_MAX));
        }
        if size.outside.iter().filter(|open| open.is_tried_twice).count() > TRIED_TWICE_MAX {
            return Err(too_deep(TRIED_TWICE_MAX));
        }
        if size.cases > CASES_MAX {
            return Err(too_deep(CASES_MAX));
        }
    }
    if size.operators > OPERATORS_MAX {
        let found = size.operators;
        return Err(too_much(&format!("{found} operators, more than {OPERATORS_MAX}: IN with a list is one, however long the list is")));
    }
    if size.parts > PARTS_MAX {
        return Err(too_much(&format!("{} SELECTs, set operations and joins, more than {PARTS_MAX}", size.parts)));
    }
    if size.parts.saturating_add(size.read).max(size.largest) > PARTS_WRITTEN_OUT_MAX {
        let sentence = "SELECTs, set operations and joins when its names of WITH are written out wherever they are read";
        return Err(too_much(&format!("more than {PARTS_WRITTEN_OUT_MAX} {sentence}")));
    }
    Ok(())
}

pub(crate) fn check_text(text: &str) -> Result<(), QueryError> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(too_much(&format!("{} bytes, more than {STATEMENT_BYTES_MAX}", text.len())));
    }
    Ok(())
}

pub(crate) fn too_deep(levels: usize) -> QueryError {
    QueryError::Parse(format!("the statement is nested deeper than {levels} levels"))
}

fn too_much(what: &str) -> QueryError {
    QueryError::Parse(format!("the statement has {what}"))
}

/// How much there is in a statement.
#[derive(Debug, Default)]
struct Size {
    operators: usize,
    parts: usize,
    /// CASEs that are open.
    cases: usize,
    /// Dots since the last sign that is none.
    dots: usize,
    /// Whether what is read stands in a FROM: commas are joins there.
    is_in_from: bool,
    /// The parentheses that are open.
    outside: Vec<Open>,
    /// The word just before.
    before: Option<Keyword>,
    /// Whether an expression begins here: a sign before a number is a part of it.
    is_at_begin: bool,
    /// Whether the next word is what is read: a table, or a name of WITH.
    is_read_next: bool,
    /// The last name, and whether AS came behind it: with a parenthesis then, it is a name of WITH.
    name: String,
    is_named: bool,
    /// The parts of each name of WITH, written out.
    with: HashMap<String, usize>,
    /// Those of the one that has the most, which may be read nowhere and is planned all the same.
    largest: usize,
    /// The parts of the names that are read here.
    read: usize,
}

/// A parenthesis that is open.
#[derive(Debug)]
struct Open {
    /// Whether it stands in a FROM.
    is_in_from: bool,
    is_tried_twice: bool,
    /// The name before it.
    name: String,
    /// What it is the definition of, with what had been counted before.
    defines: Option<(usize, usize)>,
}

impl Size {
    fn count(&mut self, token: &Token) {
        if let Token::Whitespace(_) = token {
            return;
        }
        let is_at_begin = std::mem::replace(&mut self.is_at_begin, matches!(token, Token::LParen | Token::Comma));
        match token {
            Token::Word(word) => {
                self.count_name(&word.value, word.keyword);
                return self.count_word(word.keyword);
            }
            Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => return,
            Token::HexStringLiteral(_) | Token::NationalStringLiteral(_) | Token::EscapedStringLiteral(_) => {}
            Token::SingleQuotedRawStringLiteral(_) | Token::DoubleQuotedRawStringLiteral(_) => {}
            Token::Minus | Token::Plus if is_at_begin => {}
            Token::Period => {
                self.dots += 1;
                self.operators += usize::from(self.dots > NAME_DOTS_MAX);
                return;
            }
            Token::LParen | Token::LBracket | Token::LBrace => {
                use Keyword::{CAST, CEIL, CONVERT, EXTRACT, FLOOR, OVERLAY, POSITION, SAFE_CAST, SUBSTR, SUBSTRING, TRIM, TRY_CAST};
                let is_tried_twice = matches!(
                    self.before,
                    Some(CAST | CEIL | CONVERT | EXTRACT | FLOOR | OVERLAY | POSITION | SAFE_CAST | SUBSTR | SUBSTRING | TRIM | TRY_CAST)
                );
                let defines = self.is_named.then(|| (self.parts, std::mem::take(&mut self.read)));
                let (is_in_from, name) = (std::mem::take(&mut self.is_in_from), self.name.clone());
                self.outside.push(Open { is_in_from, is_tried_twice, name, defines });
                self.operators += usize::from(*token == Token::LBracket);
            }
            Token::RParen | Token::RBracket | Token::RBrace => self.close(),
            Token::Comma => {
                self.parts += usize::from(self.is_in_from);
                self.is_read_next = self.is_in_from;
            }
            Token::SemiColon | Token::EOF => {}
            // Also signs of types, such as the brackets of ARRAY<…>.
            _ => self.operators += 1,
        }
        (self.dots, self.before, self.is_named) = (0, None, false);
    }

    fn close(&mut self) {
        let Some(open) = self.outside.pop() else { return };
        self.is_in_from = open.is_in_from;
        if let Some((parts, read)) = open.defines {
            let written_out = (self.parts - parts).saturating_add(std::mem::replace(&mut self.read, read));
            let known = self.with.entry(open.name.clone()).or_default();
            *known = written_out.max(*known);
            self.largest = self.largest.max(written_out);
        }
        self.name = open.name;
    }

    /// Sees what is read, and what is given a name by WITH: `name AS (`, `name (columns) AS (`, perhaps with MATERIALIZED between.
    fn count_name(&mut self, name: &str, word: Keyword) {
        match word {
            Keyword::AS => self.is_named = true,
            Keyword::NOT | Keyword::MATERIALIZED if self.is_named => {}
            _ => {
                (self.name, self.is_named) = (name.to_lowercase(), false);
                if std::mem::take(&mut self.is_read_next) {
                    let parts = self.with.get(&self.name).copied().unwrap_or_default();
                    self.read = self.read.saturating_add(parts);
                }
            }
        }
        self.is_read_next |= matches!(word, Keyword::FROM | Keyword::JOIN | Keyword::TABLE | Keyword::LATERAL | Keyword::ONLY);
    }

    fn count_word(&mut self, word: Keyword) {
        use Keyword::{EXCEPT, INTERSECT, MINUS, UNION};
        let before = self.before.replace(word);
        match word {
            // Not that of IS DISTINCT FROM.
            Keyword::FROM => self.is_in_from |= before != Some(Keyword::DISTINCT),
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => self.is_in_from = false,
            Keyword::CASE => self.cases += 1,
            Keyword::END => self.cases = self.cases.saturating_sub(1),
            Keyword::SELECT => {
                self.parts += 1;
                self.is_in_from = false;
            }
            Keyword::VALUES | Keyword::TABLE => self.parts += 1,
            UNION | EXCEPT | MINUS | INTERSECT => self.parts += 1,
            // Each may be a level of the plan.
            Keyword::OVER => self.parts += 1,
            Keyword::JOIN | Keyword::PIVOT | Keyword::UNPIVOT => self.parts += 1,
            Keyword::AND | Keyword::OR | Keyword::XOR | Keyword::NOT => self.operators += 1,
            Keyword::IS | Keyword::NOTNULL | Keyword::IN | Keyword::BETWEEN | Keyword::OVERLAPS => self.operators += 1,
            Keyword::LIKE | Keyword::ILIKE | Keyword::RLIKE | Keyword::REGEXP | Keyword::SIMILAR => self.operators += 1,
            Keyword::MATCH | Keyword::MEMBER | Keyword::OPERATOR | Keyword::DIV | Keyword::AT => self.operators += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(sql: &str) -> String {
        check(sql).map_or_else(|error| error.to_string(), |()| "allowed".to_owned())
    }

    fn chain(term: &str, between: &str, count: usize) -> String {
        vec![term; count].join(between)
    }

    /// Names of WITH, each defined by the one before.
    fn with(count: usize, define: impl Fn(&str) -> String) -> String {
        let defined: Vec<String> = (1..=count).map(|number| format!("C{number} AS ({})", define(&format!("c{}", number - 1)))).collect();
        defined.join(", ")
    }

    #[test]
    fn a_thousand_of_what_people_write_is_allowed() {
        for sql in [
            format!("SELECT a FROM t WHERE {}", chain("a = 1", " OR ", 1000)),
            format!("SELECT {} FROM t", chain("1", " + ", 1000)),
            format!("SELECT {} FROM t", chain("t.a AS b", ", ", 5000)),
            format!("SELECT a FROM t WHERE a IN ({})", chain("'x'", ", ", 10_000)),
            format!("SELECT a FROM t WHERE a = '{}'", "(".repeat(10_000)),
            format!("SELECT {}", chain("CASE WHEN a THEN 1 END", ", ", 1000)),
            format!("SELECT 1 {}", chain(" UNION ALL SELECT 1", "", 90)),
            format!("SELECT 1 FROM t {}", chain(" UNION ALL SELECT a, b, c, d FROM t", "", 90)),
            format!("SELECT a FROM t WHERE a IN ({})", chain("-1", ", ", 5000)),
            format!("SELECT a FROM t WHERE a IN ({})", chain("X'ab'", ", ", 5000)),
            format!("SELECT a IS DISTINCT FROM b, {} FROM t", chain("c", ", ", 500)),
            format!("SELECT a FROM t GROUP BY {}", chain("c", ", ", 500)),
            format!("SELECT 1 FROM t UNION BY NAME SELECT {} FROM t", chain("c", ", ", 500)),
            format!("SELECT {}a{}", "CAST(".repeat(12), " AS INT)".repeat(12)),
            format!(
                "WITH c0 AS (SELECT 1), {} SELECT c90.a, c90.b FROM c90",
                with(90, |before| format!("SELECT {before}.a FROM {before}"))
            ),
            format!("WITH c AS (SELECT 1 FROM t) SELECT 1 {}", chain(" UNION ALL SELECT c.a, c.b FROM c", "", 90)),
        ] {
            assert_eq!(refusal(&sql), "allowed", "{}", &sql[..60]);
        }
    }

    #[test]
    fn what_would_be_deep_is_refused() {
        let too_many = "SELECTs, set operations and joins, more than 200";
        for (sql, sentence) in [
            (format!("SELECT a FROM t WHERE {}", chain("a = 1", " OR ", 1500)), "2999 operators, more than 2000"),
            (format!("SELECT {}", chain("'a'", "||", 3000)), "2999 operators"),
            (format!("SELECT a {}", chain("IS NULL", " ", 3000)), "3000 operators"),
            (format!("SELECT a{}", "[1]".repeat(3000)), "3000 operators"),
            (format!("SELECT a{}", ".b".repeat(3000)), "2997 operators"),
            (format!("SELECT CAST(a AS {}", "ARRAY<".repeat(40_000)), "40000 operators"),
            (format!("SELECT {}1", "- ".repeat(3000)), "3000 operators"),
            (format!("SELECT {}", "(".repeat(10_000)), "nested deeper than 100 levels"),
            (format!("SELECT {}", "f[{".repeat(10_000)), "nested deeper than 100 levels"),
            (format!("SELECT 1 {}", chain(" UNION ALL SELECT 1", "", 1000)), too_many),
            (format!("WITH {} SELECT 1", chain("c AS (SELECT * FROM b)", ", ", 300)), too_many),
            (format!("SELECT 1 FROM {}", chain("t AS all", ", ", 300)), too_many),
            (format!("SELECT 1 FROM t {}", chain("JOIN t ON true", " ", 300)), too_many),
            (format!("SELECT {}1", "CASE WHEN a THEN ".repeat(60)), "nested deeper than 40 levels"),
            (format!("WITH c0 AS (SELECT 1), {} SELECT 1", with(60, |before| format!("SELECT * FROM {before}, {before}"))), "written out"),
            (
                format!(
                    "WITH c0 (a) AS NOT MATERIALIZED (SELECT 1), {} SELECT 1 FROM c30",
                    with(30, |before| { format!("SELECT * FROM (SELECT 1 FROM t JOIN {before} ON true) JOIN ({before}) ON true") })
                ),
                "written out",
            ),
            (format!("SELECT {}1{}", "ceil(".repeat(60), ")".repeat(60)), "nested deeper than 12 levels"),
            (format!("SELECT {}a b c{}", "substring (".repeat(35), ")".repeat(35)), "nested deeper than 12 levels"),
            (format!("SELECT {} FROM t", chain("sum(a) OVER (ORDER BY f(a, '1'))", ", ", 300)), too_many),
            ("x".repeat(300_000), "300000 bytes, more than 262144"),
        ] {
            let refusal = refusal(&sql);
            assert!(refusal.contains(sentence), "{refusal}");
        }
        // Texts end where the parser has them end, not where a backslash may make it look so.
        assert!(refusal(&format!(r"SELECT '\' {} AS 'x'", "OR 1 ".repeat(3000))).contains("3000 operators"));
    }
}
