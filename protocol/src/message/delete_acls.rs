//! DeleteAcls (key 31): takes entries back.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which entries.
    pub struct DeleteAclsRequest {
        /// Each filter names some.
        pub filters: Vec<DeleteAclsFilter> => 1;
    }

    /// A filter.
    pub struct DeleteAclsFilter {
        /// The type of the resource.
        pub resource_type_filter: i8 => 1;
        /// Its name; null: any.
        pub resource_name_filter: Option<Str> => 1;
        /// How the name is meant.
        pub pattern_type_filter: i8 => 1, default 3;
        /// Who; null: anybody.
        pub principal_filter: Option<Str> => 1;
        /// From where; null: anywhere.
        pub host_filter: Option<Str> => 1;
        /// What.
        pub operation: i8 => 1;
        /// Whether it is allowed or denied.
        pub permission_type: i8 => 1;
    }

    /// What was taken back.
    pub struct DeleteAclsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// By filter.
        pub filter_results: Vec<DeleteAclsFilterResult> => 1;
    }

    /// A filter.
    pub struct DeleteAclsFilterResult {
        /// Why it did nothing.
        pub error_code: ErrorCode => 1;
        /// The same in words.
        pub error_message: Option<Str> => 1;
        /// What it matched.
        pub matching_acls: Vec<DeletedAcl> => 1;
    }

    /// An entry.
    pub struct DeletedAcl {
        /// Why it is still there.
        pub error_code: ErrorCode => 1;
        /// The same in words.
        pub error_message: Option<Str> => 1;
        /// The type of the resource.
        pub resource_type: i8 => 1;
        /// Its name.
        pub resource_name: Str => 1;
        /// How the name is meant.
        pub pattern_type: i8 => 1, default 3;
        /// Who.
        pub principal: Str => 1;
        /// From where.
        pub host: Str => 1;
        /// What.
        pub operation: i8 => 1;
        /// Whether it was allowed or denied.
        pub permission_type: i8 => 1;
    }
}
