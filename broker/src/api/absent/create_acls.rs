//! CreateAcls: refused, since nobody would look at them.

use millstream_protocol::message::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};

use super::{CODE, sentence};

pub(crate) fn create_acls(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused = |_| AclCreationResult { error_code: CODE, error_message: sentence() };
    CreateAclsResponse { results: request.creations.iter().map(refused).collect(), ..Default::default() }
}
