//! AlterUserScramCredentials (key 51): gives and takes passwords.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What changes.
    pub struct AlterUserScramCredentialsRequest {
        /// What is taken.
        pub deletions: Vec<ScramDeletion> => 0;
        /// What is given.
        pub upsertions: Vec<ScramUpsertion> => 0;
    }

    /// A credential to be taken.
    pub struct ScramDeletion {
        /// The user.
        pub name: Str => 0;
        /// The mechanism.
        pub mechanism: i8 => 0;
    }

    /// A credential to be given.
    pub struct ScramUpsertion {
        /// The user.
        pub name: Str => 0;
        /// The mechanism.
        pub mechanism: i8 => 0;
        /// How often the password was hashed.
        pub iterations: i32 => 0;
        /// The salt.
        pub salt: Bytes => 0;
        /// The hash.
        pub salted_password: Bytes => 0;
    }

    /// What changed.
    pub struct AlterUserScramCredentialsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By user.
        pub results: Vec<AlteredScramUser> => 0;
    }

    /// A user.
    pub struct AlteredScramUser {
        /// The name.
        pub user: Str => 0;
        /// Why nothing changed.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
