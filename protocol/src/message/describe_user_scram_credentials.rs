//! DescribeUserScramCredentials (key 50): who has a password.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Whose.
    pub struct DescribeUserScramCredentialsRequest {
        /// The users; null: all.
        pub users: Option<Vec<ScramUser>> => 0;
    }

    /// A user.
    pub struct ScramUser {
        /// The name.
        pub name: Str => 0;
    }

    /// The users.
    pub struct DescribeUserScramCredentialsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why there is no list.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// One entry each.
        pub results: Vec<DescribedScramUser> => 0;
    }

    /// A user.
    pub struct DescribedScramUser {
        /// The name.
        pub user: Str => 0;
        /// Why it is not known.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// What there is.
        pub credential_infos: Vec<ScramCredential> => 0;
    }

    /// A credential, without its secret.
    pub struct ScramCredential {
        /// The mechanism.
        pub mechanism: i8 => 0;
        /// How often the password is hashed.
        pub iterations: i32 => 0;
    }
}
