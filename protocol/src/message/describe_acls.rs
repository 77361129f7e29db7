//! DescribeAcls (key 29): who may do what.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which entries.
    pub struct DescribeAclsRequest {
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

    /// The entries.
    pub struct DescribeAclsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Why there is no list.
        pub error_code: ErrorCode => 1;
        /// The same in words.
        pub error_message: Option<Str> => 1;
        /// By resource.
        pub resources: Vec<AclResource> => 1;
    }

    /// A resource.
    pub struct AclResource {
        /// Its type.
        pub resource_type: i8 => 1;
        /// Its name.
        pub resource_name: Str => 1;
        /// How the name is meant.
        pub pattern_type: i8 => 1, default 3;
        /// The entries.
        pub acls: Vec<AclDescription> => 1;
    }

    /// An entry.
    pub struct AclDescription {
        /// Who.
        pub principal: Str => 1;
        /// From where.
        pub host: Str => 1;
        /// What.
        pub operation: i8 => 1;
        /// Whether it is allowed or denied.
        pub permission_type: i8 => 1;
    }
}
