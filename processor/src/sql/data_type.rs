//! Spark's column types as Arrow's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::lexer::{Kind, Token};
use crate::error::QueryError;
use crate::limit::TYPE_NESTING_MAX;

/// Reads a type at `at` and moves behind it.
pub(crate) fn parse(tokens: &[Token], at: &mut usize) -> Result<DataType, QueryError> {
    nested(tokens, at, 0)
}

/// A type that lies in so many others.
fn nested(tokens: &[Token], at: &mut usize, depth: usize) -> Result<DataType, QueryError> {
    if depth > TYPE_NESTING_MAX {
        return Err(QueryError::Parse(format!("a column type is nested deeper than {TYPE_NESTING_MAX} levels")));
    }
    let name = tokens.get(*at).and_then(Token::name).ok_or_else(|| QueryError::Parse("a column type is missing".into()))?;
    *at += 1;
    Ok(match name.as_str() {
        "bigint" | "long" => DataType::Int64,
        "int" | "integer" => DataType::Int32,
        "smallint" | "short" => DataType::Int16,
        "tinyint" | "byte" => DataType::Int8,
        "double" => DataType::Float64,
        "float" | "real" => DataType::Float32,
        "boolean" => DataType::Boolean,
        "string" => DataType::Utf8,
        "varchar" | "char" => {
            skip_length(tokens, at);
            DataType::Utf8
        }
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" | "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "decimal" | "numeric" => decimal(tokens, at)?,
        "array" => {
            expect(tokens, at, '<')?;
            let element = nested(tokens, at, depth + 1)?;
            expect(tokens, at, '>')?;
            DataType::List(Arc::new(Field::new("item", element, true)))
        }
        "struct" => {
            expect(tokens, at, '<')?;
            let mut fields = Vec::new();
            while !tokens.get(*at).is_some_and(|token| token.is_sign('>')) {
                let name = tokens.get(*at).and_then(Token::name).ok_or_else(|| QueryError::Parse("a field name is missing".into()))?;
                *at += 1;
                if tokens.get(*at).is_some_and(|token| token.is_sign(':')) {
                    *at += 1;
                }
                fields.push(Field::new(name, nested(tokens, at, depth + 1)?, true));
                if tokens.get(*at).is_some_and(|token| token.is_sign(',')) {
                    *at += 1;
                }
            }
            expect(tokens, at, '>')?;
            DataType::Struct(Fields::from(fields))
        }
        other => return Err(QueryError::Parse(format!("column type {other} is not known"))),
    })
}

fn expect(tokens: &[Token], at: &mut usize, sign: char) -> Result<(), QueryError> {
    if tokens.get(*at).is_some_and(|token| token.is_sign(sign)) {
        *at += 1;
        return Ok(());
    }
    Err(QueryError::Parse(format!("'{sign}' is missing in a column type")))
}

fn skip_length(tokens: &[Token], at: &mut usize) {
    if tokens.get(*at).is_some_and(|token| token.is_sign('(')) {
        *at += 3;
    }
}

fn decimal(tokens: &[Token], at: &mut usize) -> Result<DataType, QueryError> {
    let number = |place: usize| match tokens.get(place).map(|token| &token.kind) {
        Some(Kind::Word(word)) => word.parse::<u8>().map_err(|_| QueryError::Parse(format!("{word} is no precision"))),
        _ => Err(QueryError::Parse("the precision of a decimal is missing".into())),
    };
    if !tokens.get(*at).is_some_and(|token| token.is_sign('(')) {
        return Ok(DataType::Decimal128(10, 0));
    }
    let precision = number(*at + 1)?;
    *at += 2;
    let mut scale = 0;
    if tokens.get(*at).is_some_and(|token| token.is_sign(',')) {
        scale = number(*at + 1)?;
        *at += 2;
    }
    expect(tokens, at, ')')?;
    if precision == 0 || precision > 38 || scale > precision {
        return Err(QueryError::Parse(format!("decimal({precision}, {scale}) is not possible")));
    }
    Ok(DataType::Decimal128(precision, scale as i8))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    #[test]
    fn a_type_that_is_nested_too_deep_is_refused() {
        let read = |text: &str| parse(&tokens(text).unwrap(), &mut 0);
        let lists = |levels: usize| format!("{}INT{}", "ARRAY<".repeat(levels), ">".repeat(levels));
        assert!(read(&lists(TYPE_NESTING_MAX)).is_ok());
        for text in [lists(TYPE_NESTING_MAX + 1), lists(40_000), "STRUCT<a: ".repeat(40_000)] {
            assert!(read(&text).unwrap_err().to_string().contains("nested deeper than 64 levels"));
        }
    }
}
