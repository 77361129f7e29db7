//! ApiVersions: the table of APIs, and nothing that is not true.

use millstream_protocol::message::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature, SupportedFeature};
use millstream_protocol::{ApiKey, ErrorCode, Str};

use super::Context;

pub(crate) fn api_versions(context: &Context, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if context.version >= 3 && !(is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version)) {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
    }
    let supported =
        |&(name, max_version): &(&'static str, i16)| SupportedFeature { name: Str::from_static(name), min_version: 0, max_version };
    let finalized = |&(name, level): &(&'static str, i16)| FinalizedFeature {
        name: Str::from_static(name),
        max_version_level: level,
        min_version_level: level,
    };
    ApiVersionsResponse {
        api_keys: ApiKey::ALL.iter().map(|&api| row(api)).collect(),
        supported_features: FEATURES.iter().map(supported).collect(),
        finalized_features_epoch: 0,
        finalized_features: FEATURES.iter().map(finalized).collect(),
        ..Default::default()
    }
}

/// Consumer groups (KIP-848); share groups (KIP-932); and transactions whose end raises the epoch and whose batches add partitions (KIP-890), which clients
/// use when they see it here. They cannot be turned off.
const FEATURES: [(&str, i16); 3] = [("group.version", 1), ("share.version", 1), ("transaction.version", 2)];

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
