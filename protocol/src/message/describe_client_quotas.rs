//! DescribeClientQuotas (key 48): which quotas there are (KIP-546).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which quotas are asked for.
    pub struct DescribeClientQuotasRequest {
        /// What the entities have to be.
        pub components: Vec<QuotaFilter> => 0;
        /// Whether entities with further types are left out.
        pub strict: bool => 0;
    }

    /// What a part of an entity has to be.
    pub struct QuotaFilter {
        /// `user`, `client-id` or `ip`.
        pub entity_type: Str => 0;
        /// 0: this name, 1: the default, 2: any name.
        pub match_type: i8 => 0;
        /// The name.
        pub name: Option<Str> => 0;
    }

    /// The quotas.
    pub struct DescribeClientQuotasResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// An error of the whole request.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// The quotas; none with an error.
        pub entries: Option<Vec<QuotaEntry>> => 0;
    }

    /// The quotas of an entity.
    pub struct QuotaEntry {
        /// The entity.
        pub entity: Vec<QuotaEntity> => 0;
        /// Its quotas.
        pub values: Vec<QuotaValue> => 0;
    }

    /// A part of an entity.
    pub struct QuotaEntity {
        /// `user`, `client-id` or `ip`.
        pub entity_type: Str => 0;
        /// Its name; none is the default one.
        pub entity_name: Option<Str> => 0;
    }

    /// A quota.
    pub struct QuotaValue {
        /// Its name.
        pub key: Str => 0;
        /// Its value.
        pub value: f64 => 0;
    }
}
