//! Access lists and passwords: there is no security yet, and nothing here pretends otherwise.

use millstream_protocol::message::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlteredScramUser,
};
use millstream_protocol::message::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use millstream_protocol::message::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};
use millstream_protocol::message::describe_acls::DescribeAclsResponse;
use millstream_protocol::message::describe_user_scram_credentials::DescribeUserScramCredentialsResponse;
use millstream_protocol::{ErrorCode, Str};

const CODE: ErrorCode = ErrorCode::SECURITY_DISABLED;

fn sentence() -> Option<Str> {
    Some(Str::from_static("No Authorizer is configured on the broker"))
}

pub(crate) fn describe_acls() -> DescribeAclsResponse {
    DescribeAclsResponse { error_code: CODE, error_message: sentence(), ..Default::default() }
}

pub(crate) fn create_acls(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused = |_| AclCreationResult { error_code: CODE, error_message: sentence() };
    CreateAclsResponse { results: request.creations.iter().map(refused).collect(), ..Default::default() }
}

pub(crate) fn delete_acls(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = |_| DeleteAclsFilterResult { error_code: CODE, error_message: sentence(), ..Default::default() };
    DeleteAclsResponse { filter_results: request.filters.iter().map(refused).collect(), ..Default::default() }
}

pub(crate) fn describe_user_scram_credentials() -> DescribeUserScramCredentialsResponse {
    DescribeUserScramCredentialsResponse { error_code: CODE, error_message: Some(Str::from_static(CODE.sentence())), ..Default::default() }
}

pub(crate) fn alter_user_scram_credentials(request: &AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let mut users: Vec<&Str> = request.deletions.iter().map(|deletion| &deletion.name).collect();
    users.extend(request.upsertions.iter().map(|upsertion| &upsertion.name));
    users.sort_unstable();
    users.dedup();
    let refused =
        |user: &Str| AlteredScramUser { user: user.clone(), error_code: CODE, error_message: Some(Str::from_static(CODE.sentence())) };
    AlterUserScramCredentialsResponse { results: users.into_iter().map(refused).collect(), ..Default::default() }
}
