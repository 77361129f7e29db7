//! DeleteGroups: groups without members, and their offsets.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup};
use millstream_protocol::{ErrorCode, Response, Str};

use crate::broker::Broker;
use crate::journal::durable;
use crate::share::keeper::settled;

pub(crate) fn delete_groups(broker: &Arc<Broker>, request: DeleteGroupsRequest) -> BoxFuture<'static, Response> {
    let mut forgotten = Vec::new();
    let delete = |group_id| {
        let forget_share = |group: &Str| {
            forgotten.extend(broker.shares.forget(|place| place.group == *group));
            Ok(())
        };
        let error_code = broker.groups.delete(&group_id, forget_share).err().map_or(ErrorCode::NONE, |error| error.code());
        DeletedGroup { group_id, error_code }
    };
    let names: BTreeSet<Str> = request.groups_names.into_iter().collect();
    let mut results: Vec<DeletedGroup> = names.into_iter().map(delete).collect();
    let broker = broker.clone();
    async move {
        let settled = async {
            for kept in forgotten {
                settled(kept).await?;
            }
            durable(broker.groups.settled()).await
        };
        if let Err(error) = settled.await {
            results.iter_mut().for_each(|result| result.error_code = error.code());
        }
        DeleteGroupsResponse { results, ..Default::default() }.into()
    }
    .boxed()
}
