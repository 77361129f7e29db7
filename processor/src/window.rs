//! Spark's `window(time, size[, slide[, start]])` as a function of DataFusion. For planning, and where a query selects it, it
//! is a struct of start and end; as a grouping key the engine uses the start alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::sql::duration;

const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Size and start of tumbling windows, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tumbling {
    pub size_us: i64,
    pub start_us: i64,
}

impl Tumbling {
    /// The start of the window that a time is in; right for times before 1970 too.
    pub(crate) fn start_of(self, time_us: i64) -> i64 {
        // Anybody may send a time that is a number near the end of what there is.
        time_us.saturating_sub(time_us.saturating_sub(self.start_us).rem_euclid(self.size_us))
    }
}

/// Reads the arguments behind the time.
pub(crate) fn tumbling(args: &[Expr]) -> Result<Tumbling> {
    let mut texts = Vec::new();
    for arg in args.iter().skip(1) {
        match arg {
            Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)), _) => {
                texts.push(text.clone());
            }
            other => return plan_err!("window: the size is a text such as '10 seconds', not {other}"),
        }
    }
    parse(&texts)
}

fn parse(texts: &[String]) -> Result<Tumbling> {
    let interval = |text: &String| duration::parse_us(text).map_err(|error| DataFusionError::Plan(error.to_string()));
    let size_us = texts.first().map(interval).transpose()?.unwrap_or(0);
    let slide_us = texts.get(1).map(interval).transpose()?.unwrap_or(size_us);
    let start_us = texts.get(2).map(interval).transpose()?.unwrap_or(0);
    if size_us <= 0 {
        return plan_err!("window: the size must be positive");
    }
    if slide_us != size_us {
        return plan_err!("window: sliding windows are not supported yet; leave the slide out, or make it equal to the size");
    }
    if start_us.unsigned_abs() >= size_us.unsigned_abs() {
        return plan_err!("window: the start must be less than the size");
    }
    Ok(Tumbling { size_us, start_us })
}

fn window_fields() -> Fields {
    Fields::from(vec![Field::new("start", TIME, true), Field::new("end", TIME, true)])
}

/// Starts as windows.
pub(crate) fn windows(starts: &TimestampMicrosecondArray, tumbling: Tumbling) -> ArrayRef {
    let ends: TimestampMicrosecondArray = starts.unary(|start| start.saturating_add(tumbling.size_us));
    Arc::new(StructArray::new(window_fields(), vec![Arc::new(starts.clone()), Arc::new(ends)], starts.nulls().cloned()))
}

/// Times as starts of windows.
pub(crate) fn starts(times: &ArrayRef, tumbling: Tumbling) -> Result<TimestampMicrosecondArray> {
    let times = arrow::compute::cast(times, &TIME)?;
    Ok(times.as_primitive::<TimestampMicrosecondType>().unary(|time| tumbling.start_of(time)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Window {
    signature: Signature,
}

impl ScalarUDFImpl for Window {
    fn name(&self) -> &str {
        "window"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(DataType::Timestamp(..)) if (2..=4).contains(&args.len()) => Ok(DataType::Struct(window_fields())),
            Some(other) => plan_err!("window: the first argument is a TIMESTAMP, not {other}"),
            None => plan_err!("window: the time is missing"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut texts = Vec::new();
        for arg in &args.args[1..] {
            match arg {
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => texts.push(text.clone()),
                _ => return plan_err!("window: the size is a text such as '10 seconds'"),
            }
        }
        let tumbling = parse(&texts)?;
        let times = args.args[0].to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(windows(&starts(&times, tumbling)?, tumbling)))
    }
}

/// The function.
pub(crate) fn window_function() -> ScalarUDF {
    ScalarUDF::from(Window { signature: Signature::variadic_any(Volatility::Immutable) })
}

/// Whether an expression is a call of the function; its arguments if so.
pub(crate) fn window_args(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == "window" => Some(&call.args),
        Expr::Alias(alias) => window_args(&alias.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_on_both_sides_of_1970() {
        let tumbling = Tumbling { size_us: 10, start_us: 0 };
        for (time, start) in [(0, 0), (9, 0), (10, 10), (-1, -10), (-10, -10), (-11, -20)] {
            assert_eq!(tumbling.start_of(time), start);
        }
        assert_eq!(Tumbling { size_us: 10, start_us: 3 }.start_of(2), -7);
    }

    #[test]
    fn no_time_and_no_size_is_too_large_to_be_counted_with() {
        for start_us in [-9, 0, 9] {
            let tumbling = Tumbling { size_us: 10, start_us };
            assert_eq!(tumbling.start_of(i64::MIN), i64::MIN);
            assert!(tumbling.start_of(i64::MAX) > i64::MAX - 20);
        }
        let texts = ["10 seconds", "10 seconds", "-9223372036854775808 microseconds"].map(String::from);
        assert!(parse(&texts).is_err());
    }
}
