//! AlterClientQuotas: refused, since a quota would not hold.

use millstream_protocol::message::alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse, AlteredQuota};
use millstream_protocol::{ErrorCode, Str};

pub(crate) fn alter_client_quotas(request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let refused = |entity| AlteredQuota {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        error_message: Some(Str::from_static("Quotas are not supported yet: nothing was changed.")),
        entity,
    };
    AlterClientQuotasResponse { entries: request.entries.into_iter().map(|entry| refused(entry.entity)).collect(), ..Default::default() }
}
