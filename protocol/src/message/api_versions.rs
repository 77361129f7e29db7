//! ApiVersions (key 18): which APIs and versions this broker serves. Response header is always version 0,
//! so that a client of any age can read it (KIP-511).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who asks, and what it runs.
    pub struct ApiVersionsRequest {
        /// The client library's name (KIP-511).
        pub client_software_name: Str => 3;
        /// The client library's version.
        pub client_software_version: Str => 3;
    }

    /// What this broker serves.
    pub struct ApiVersionsResponse {
        /// Zero, or 35 when the request's own version is not served.
        pub error_code: ErrorCode => 0;
        /// One entry an API.
        pub api_keys: Vec<ApiVersion> => 0;
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Features that the broker could enable (KIP-584).
        pub supported_features: Vec<SupportedFeature> => 3, tag 0;
        /// The epoch of the finalised features; -1 when unknown.
        pub finalized_features_epoch: i64 => 3, tag 1, default -1;
        /// Features that are enabled.
        pub finalized_features: Vec<FinalizedFeature> => 3, tag 2;
        /// Always false here: there is no ZooKeeper.
        pub zk_migration_ready: bool => 3, tag 3;
    }

    /// The versions of one API.
    pub struct ApiVersion {
        /// The API's key.
        pub api_key: i16 => 0;
        /// Lowest version.
        pub min_version: i16 => 0;
        /// Highest version.
        pub max_version: i16 => 0;
    }

    /// A feature and its range.
    pub struct SupportedFeature {
        /// Its name.
        pub name: Str => 3;
        /// Lowest level.
        pub min_version: i16 => 3;
        /// Highest level.
        pub max_version: i16 => 3;
    }

    /// A feature and the level that is on.
    pub struct FinalizedFeature {
        /// Its name.
        pub name: Str => 3;
        /// Highest level.
        pub max_version_level: i16 => 3;
        /// Lowest level.
        pub min_version_level: i16 => 3;
    }
}
