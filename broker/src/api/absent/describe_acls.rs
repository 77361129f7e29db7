//! DescribeAcls: there are none to describe.

use millstream_protocol::message::describe_acls::DescribeAclsResponse;

use super::{CODE, sentence};

pub(crate) fn describe_acls() -> DescribeAclsResponse {
    DescribeAclsResponse { error_code: CODE, error_message: sentence(), ..Default::default() }
}
