//! AlterUserScramCredentials: refused, since nobody would ask for a password.

use millstream_protocol::Str;
use millstream_protocol::message::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlteredScramUser,
};

use super::CODE;

pub(crate) fn alter_user_scram_credentials(request: &AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let mut users: Vec<&Str> = request.deletions.iter().map(|deletion| &deletion.name).collect();
    users.extend(request.upsertions.iter().map(|upsertion| &upsertion.name));
    users.sort_unstable();
    users.dedup();
    let refused =
        |user: &Str| AlteredScramUser { user: user.clone(), error_code: CODE, error_message: Some(Str::from_static(CODE.sentence())) };
    AlterUserScramCredentialsResponse { results: users.into_iter().map(refused).collect(), ..Default::default() }
}
