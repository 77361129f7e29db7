//! AlterClientQuotas (key 49): sets and removes quotas (KIP-546).

use super::describe_client_quotas::QuotaEntity;
use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What changes.
    pub struct AlterClientQuotasRequest {
        /// For each entity.
        pub entries: Vec<AlteredQuotaEntry> => 0;
        /// Whether nothing is to change but to be checked.
        pub validate_only: bool => 0;
    }

    /// What changes for an entity.
    pub struct AlteredQuotaEntry {
        /// The entity.
        pub entity: Vec<QuotaEntity> => 0;
        /// Its quotas.
        pub ops: Vec<QuotaOp> => 0;
    }

    /// A quota that is set or removed.
    pub struct QuotaOp {
        /// Its name.
        pub key: Str => 0;
        /// Its value.
        pub value: f64 => 0;
        /// Whether it is removed.
        pub remove: bool => 0;
    }

    /// What changed.
    pub struct AlterClientQuotasResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// For each entity.
        pub entries: Vec<AlteredQuota> => 0;
    }

    /// What came of an entity.
    pub struct AlteredQuota {
        /// Why nothing changed.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// The entity.
        pub entity: Vec<QuotaEntity> => 0;
    }
}
