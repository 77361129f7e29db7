//! DescribeClientQuotas: there are none, and the answer says so.

use millstream_protocol::message::describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse, QuotaFilter};
use millstream_protocol::{ErrorCode, Str};

const ENTITY_TYPES: [&str; 3] = ["user", "client-id", "ip"];

const EXACT: i8 = 0;

const DEFAULT: i8 = 1;

const SPECIFIED: i8 = 2;

/// Kafka's answer of a broker on which no quota is set.
pub(crate) fn describe_client_quotas(request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    match check(&request.components) {
        Ok(()) => DescribeClientQuotasResponse { error_message: Some(Str::default()), entries: Some(Vec::new()), ..Default::default() },
        Err((error_code, sentence)) => {
            DescribeClientQuotasResponse { error_code, error_message: Some(sentence.into()), entries: None, ..Default::default() }
        }
    }
}

/// Whether there could be such entities; the errors are Kafka's.
fn check(components: &[QuotaFilter]) -> Result<(), (ErrorCode, String)> {
    let invalid = |sentence: String| Err((ErrorCode::INVALID_REQUEST, sentence));
    let mut seen: Vec<&str> = Vec::new();
    for QuotaFilter { entity_type, match_type, name } in components {
        let entity_type = entity_type.as_str();
        match (*match_type, name) {
            _ if entity_type.is_empty() => return invalid("Invalid empty entity type.".into()),
            _ if seen.contains(&entity_type) => {
                return invalid(format!("Entity type {entity_type} cannot appear more than once in the filter."));
            }
            (EXACT, Some(_)) | (DEFAULT | SPECIFIED, None) => {}
            (EXACT, None) => return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".into()),
            (DEFAULT, Some(_)) => return invalid("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".into()),
            (SPECIFIED, Some(_)) => return invalid("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".into()),
            (other, _) => return invalid(format!("Unknown match type {other}")),
        }
        if !ENTITY_TYPES.contains(&entity_type) {
            return Err((ErrorCode::UNSUPPORTED_VERSION, format!("Unsupported entity type {entity_type}")));
        }
        seen.push(entity_type);
    }
    if seen.contains(&"ip") && seen.len() > 1 {
        let sentence =
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.";
        return invalid(sentence.into());
    }
    Ok(())
}
