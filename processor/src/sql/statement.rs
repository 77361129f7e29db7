//! Spark's statements around a query: CREATE TABLE … USING kafka, CREATE STREAMING TABLE … AS SELECT, DROP TABLE, and
//! SELECT itself.

use std::collections::BTreeMap;

use arrow::datatypes::{Field, Schema};

use super::data_type;
use super::lexer::{Kind, Token, tokens};
use crate::error::QueryError;

/// Options by name, lower case, as Spark's option maps compare them.
pub(crate) type Options = BTreeMap<String, String>;

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// A topic with a schema.
    CreateTable { name: String, or_replace: bool, if_not_exists: bool, schema: Schema, options: Options },
    /// A query that goes on for ever, and the topic that it writes.
    CreateStreamingTable { name: String, if_not_exists: bool, options: Options, select: String },
    /// Forgets a table, or stops and forgets a streaming one.
    DropTable { name: String, if_exists: bool },
    /// A query: of the present, or of a stream, for the caller.
    Select(String),
    /// The tables that there are.
    ShowTables,
}

struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Cursor<'_> {
    fn take_word(&mut self, word: &str) -> bool {
        let is_here = self.tokens.get(self.at).is_some_and(|token| token.is_word(word));
        self.at += usize::from(is_here);
        is_here
    }

    fn take_words(&mut self, words: &[&str]) -> bool {
        let is_here = words.iter().enumerate().all(|(i, word)| self.tokens.get(self.at + i).is_some_and(|token| token.is_word(word)));
        self.at += if is_here { words.len() } else { 0 };
        is_here
    }

    fn take_sign(&mut self, sign: char) -> bool {
        let is_here = self.tokens.get(self.at).is_some_and(|token| token.is_sign(sign));
        self.at += usize::from(is_here);
        is_here
    }

    fn name(&mut self, what: &str) -> Result<String, QueryError> {
        let name = self.tokens.get(self.at).and_then(Token::name);
        self.at += 1;
        name.ok_or_else(|| QueryError::Parse(format!("{what} is missing")))
    }

    fn expect_sign(&mut self, sign: char, place: &str) -> Result<(), QueryError> {
        if self.take_sign(sign) { Ok(()) } else { Err(QueryError::Parse(format!("'{sign}' is missing {place}"))) }
    }

    /// `OPTIONS (a 'x', 'b.c' = 'y')`, also under the name TBLPROPERTIES.
    fn options(&mut self) -> Result<Options, QueryError> {
        let mut options = Options::new();
        while self.take_word("OPTIONS") || self.take_word("TBLPROPERTIES") {
            self.expect_sign('(', "after OPTIONS")?;
            while !self.take_sign(')') {
                let name = self.option_name()?;
                self.take_sign('=');
                let value = match self.tokens.get(self.at).map(|token| token.kind.clone()) {
                    Some(Kind::Text(value) | Kind::Word(value)) => value,
                    _ => return Err(QueryError::Parse(format!("the value of option {name} is missing"))),
                };
                self.at += 1;
                options.insert(name, value);
                self.take_sign(',');
            }
        }
        Ok(options)
    }

    fn option_name(&mut self) -> Result<String, QueryError> {
        let mut name = match self.tokens.get(self.at).map(|token| token.kind.clone()) {
            Some(Kind::Text(name)) => name,
            Some(Kind::Word(name) | Kind::Quoted(name)) => name,
            _ => return Err(QueryError::Parse("an option's name is missing".into())),
        };
        self.at += 1;
        while self.take_sign('.') {
            name = format!("{name}.{}", self.name("the rest of an option's name")?);
        }
        Ok(name.to_lowercase())
    }

    fn end(&self) -> Result<(), QueryError> {
        match self.tokens.get(self.at) {
            None => Ok(()),
            Some(token) => Err(QueryError::Parse(format!("did not expect {:?} at byte {}", token.kind, token.range.start))),
        }
    }
}

/// Reads one statement.
pub(crate) fn parse(text: &str) -> Result<Statement, QueryError> {
    let tokens = tokens(text)?;
    let mut cursor = Cursor { tokens: &tokens, at: 0 };
    if cursor.take_words(&["SHOW", "TABLES"]) {
        cursor.end()?;
        return Ok(Statement::ShowTables);
    }
    if cursor.take_words(&["DROP", "TABLE"]) {
        let if_exists = cursor.take_words(&["IF", "EXISTS"]);
        let name = cursor.name("the table's name")?;
        cursor.end()?;
        return Ok(Statement::DropTable { name, if_exists });
    }
    if cursor.take_word("CREATE") {
        let or_replace = cursor.take_words(&["OR", "REPLACE"]);
        if cursor.take_words(&["STREAMING", "TABLE"]) {
            return streaming_table(text, cursor);
        }
        if cursor.take_word("TABLE") {
            return table(cursor, or_replace);
        }
        return Err(QueryError::Parse("CREATE is followed by TABLE or STREAMING TABLE".into()));
    }
    match tokens.first() {
        Some(first) if first.is_word("SELECT") || first.is_word("WITH") => Ok(Statement::Select(text.to_owned())),
        Some(first) => Err(QueryError::Parse(format!(
            "{:?} does not begin a statement: SELECT, CREATE TABLE, CREATE STREAMING TABLE, DROP TABLE and SHOW TABLES do",
            &text[first.range.clone()]
        ))),
        None => Err(QueryError::Parse("the statement is empty".into())),
    }
}

fn using_kafka(cursor: &mut Cursor<'_>) -> Result<(), QueryError> {
    if cursor.take_word("USING") {
        let source = cursor.name("the source after USING")?;
        if source != "kafka" {
            return Err(QueryError::analysis(format!("tables USING {source} are not known; USING kafka are")));
        }
    }
    Ok(())
}

fn table(mut cursor: Cursor<'_>, or_replace: bool) -> Result<Statement, QueryError> {
    let if_not_exists = cursor.take_words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name("the table's name")?;
    let mut fields = Vec::new();
    if cursor.take_sign('(') {
        while !cursor.take_sign(')') {
            let column = cursor.name("a column's name")?;
            let kind = data_type::parse(cursor.tokens, &mut cursor.at)?;
            fields.push(Field::new(column, kind, !cursor.take_words(&["NOT", "NULL"])));
            if !cursor.take_sign(',') && !cursor.tokens.get(cursor.at).is_some_and(|token| token.is_sign(')')) {
                return Err(QueryError::Parse("',' or ')' is missing after a column".into()));
            }
        }
    }
    using_kafka(&mut cursor)?;
    let options = cursor.options()?;
    cursor.end()?;
    // A value that is no JSON makes a row of nulls, whatever was declared.
    let fields: Vec<Field> = fields.into_iter().map(|field| field.with_nullable(true)).collect();
    Ok(Statement::CreateTable { name, or_replace, if_not_exists, schema: Schema::new(fields), options })
}

fn streaming_table(text: &str, mut cursor: Cursor<'_>) -> Result<Statement, QueryError> {
    let if_not_exists = cursor.take_words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name("the table's name")?;
    using_kafka(&mut cursor)?;
    let options = cursor.options()?;
    if !cursor.take_word("AS") {
        return Err(QueryError::Parse("AS SELECT … is missing".into()));
    }
    let select = cursor.tokens.get(cursor.at).map(|token| text[token.range.start..].to_owned());
    let select = select.ok_or_else(|| QueryError::Parse("the query after AS is missing".into()))?;
    Ok(Statement::CreateStreamingTable { name, if_not_exists, options, select })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    #[test]
    fn a_table_with_nested_types_and_options() {
        let text = "CREATE TABLE IF NOT EXISTS Orders (id BIGINT, at TIMESTAMP, bom ARRAY<STRUCT<part: STRING, quantity: BIGINT>>)
                    USING kafka OPTIONS ('subscribe' 'orders', startingOffsets = 'earliest', kafka.bootstrap.servers 'x')";
        let Statement::CreateTable { name, if_not_exists, schema, options, .. } = parse(text).unwrap() else { panic!() };
        assert_eq!((name.as_str(), if_not_exists), ("orders", true));
        assert!(
            matches!(schema.field(2).data_type(), DataType::List(item) if matches!(item.data_type(), DataType::Struct(f) if f.len() == 2))
        );
        assert_eq!(options["startingoffsets"], "earliest");
        assert_eq!(options["kafka.bootstrap.servers"], "x");
    }

    #[test]
    fn a_streaming_table_keeps_its_query_as_it_was_written() {
        let text = "create streaming table t options ('outputMode' 'update') as select 1 -- why\n from stream s";
        let Statement::CreateStreamingTable { select, options, .. } = parse(text).unwrap() else { panic!() };
        assert_eq!(select, "select 1 -- why\n from stream s");
        assert_eq!(options["outputmode"], "update");
    }

    #[test]
    fn what_is_no_statement_is_refused_with_a_reason() {
        for text in [
            "",
            "SELEKT 1",
            "CREATE VIEW v",
            "CREATE TABLE t (a nonsense)",
            "CREATE TABLE t (a INT) USING csv",
            "SELECT 'x",
            "DROP TABLE t now",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
