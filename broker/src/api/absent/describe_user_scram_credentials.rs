//! DescribeUserScramCredentials: there are none.

use millstream_protocol::Str;
use millstream_protocol::message::describe_user_scram_credentials::DescribeUserScramCredentialsResponse;

use super::CODE;

pub(crate) fn describe_user_scram_credentials() -> DescribeUserScramCredentialsResponse {
    DescribeUserScramCredentialsResponse { error_code: CODE, error_message: Some(Str::from_static(CODE.sentence())), ..Default::default() }
}
