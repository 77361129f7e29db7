//! DescribeCluster (key 60): the brokers and the cluster id (KIP-700).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What to include.
    pub struct DescribeClusterRequest {
        /// Whether to list what the asker may do with the cluster.
        pub include_cluster_authorized_operations: bool => 0;
        /// 1: brokers, 2: controllers.
        pub endpoint_type: i8 => 1, default 1;
        /// Whether to include fenced brokers.
        pub include_fenced_brokers: bool => 2;
    }

    /// The cluster.
    pub struct DescribeClusterResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// An error of the whole request.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// 1: brokers, 2: controllers.
        pub endpoint_type: i8 => 1, default 1;
        /// The cluster's id.
        pub cluster_id: Str => 0;
        /// The controller's node id.
        pub controller_id: i32 => 0, default -1;
        /// The brokers.
        pub brokers: Vec<DescribeClusterBroker> => 0;
        /// What the asker may do, as a bit field.
        pub cluster_authorized_operations: i32 => 0, default i32::MIN;
    }

    /// One broker.
    pub struct DescribeClusterBroker {
        /// Its id.
        pub broker_id: i32 => 0;
        /// Its host.
        pub host: Str => 0;
        /// Its port.
        pub port: i32 => 0;
        /// Its rack.
        pub rack: Option<Str> => 0;
        /// Whether it is fenced.
        pub is_fenced: bool => 2;
    }
}
