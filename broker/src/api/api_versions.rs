//! ApiVersions: the table of APIs, and nothing that is not true.

use millstream_protocol::message::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use millstream_protocol::{ApiKey, ErrorCode};

use super::Context;

pub(crate) fn api_versions(context: &Context, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if context.version >= 3 && !(is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version)) {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
    }
    ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(|&api| row(api)).collect(), ..Default::default() }
}

/// The answer to a version of ApiVersions that is not served: what is, in the version that everybody reads (KIP-511).
pub(crate) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys: vec![row(ApiKey::ApiVersions)], ..Default::default() }
}

fn row(api: ApiKey) -> ApiVersion {
    let info = api.info();
    ApiVersion { api_key: api as i16, min_version: info.advertised_min, max_version: info.max }
}

/// Letters and digits, with dots and dashes inside.
fn is_software_name(name: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    is_end(name.bytes().next()) && is_end(name.bytes().last()) && name.bytes().all(is_inner)
}
