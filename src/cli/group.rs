//! `millstream group`.

use clap::Subcommand;
use millstream_client::{GroupDescription, GroupListing};
use serde_json::json;

use super::output::{self, Format};
use super::{Bootstrap, confirm, count, start};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// All groups.
    List {
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// A group's members, and how far it has come in each partition.
    Describe {
        /// Its id.
        group: String,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// Move the offsets of a group that has no members. Without --yes it says what would be moved, and moves nothing.
    ResetOffsets {
        /// Its id; a group that is not there is made.
        group: String,
        #[arg(long, allow_hyphen_values = true, value_name = "PLACE", help = format!("Where to: {}", start::FORMS))]
        to: String,
        /// A topic, with all its partitions; may be given several times. Otherwise all in which the group has offsets.
        #[arg(long, short = 't')]
        topic: Vec<String>,
        /// Say what would be moved, and move nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Move them.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// Delete a group that has no members, and its offsets.
    Delete {
        /// Its id.
        group: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
}

fn show(found: &GroupDescription) {
    let group = &found.group;
    println!(
        "{}  {} {}, {}, assignor {}\n",
        group.id,
        group.kind,
        group.state,
        count(found.members.len() as i64, "member"),
        text(&found.assignor)
    );
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let rows: Vec<Vec<String>> = found
        .members
        .iter()
        .map(|member| {
            let partitions: Vec<String> = member.partitions.iter().map(|place| format!("{}-{}", place.topic, place.partition)).collect();
            let (id, instance_id) = (member.id.clone(), dash(member.instance_id.clone()));
            vec![id, instance_id, member.client_id.clone(), member.host.clone(), text(&partitions.join(" ")).to_owned()]
        })
        .collect();
    output::table(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"], &rows);
    println!();
    let number = |number: Option<i64>| dash(number.map(|number| number.to_string()));
    let rows: Vec<Vec<String>> = found
        .offsets
        .iter()
        .map(|offset| {
            let (partition, committed) = (offset.partition.to_string(), number(offset.committed_offset));
            let member = dash(offset.member_id.clone());
            vec![offset.topic.clone(), partition, committed, number(offset.end_offset), number(offset.lag), member]
        })
        .collect();
    // A share group commits nothing: below its start everything is done.
    let committed = if group.kind == "share" { "START" } else { "COMMITTED" };
    output::table(&["TOPIC", "PARTITION", committed, "END", "LAG", "MEMBER"], &rows);
}

fn text(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

pub(crate) async fn run(command: GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::List { bootstrap, output } => {
            let groups = bootstrap.connect().await?.admin().list_groups().await?;
            if output == Format::Json {
                return output::json(&json!({ "groups": groups }));
            }
            let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let row = |listing: GroupListing| {
                let GroupListing { group, members, lag } = listing;
                let members = number(members.map(|members| members as i64));
                vec![group.id, text(&group.kind).to_owned(), group.state, members, number(lag), text(&group.protocol_type).to_owned()]
            };
            let rows: Vec<Vec<String>> = groups.into_iter().map(row).collect();
            output::table(&["GROUP", "TYPE", "STATE", "MEMBERS", "LAG", "PROTOCOL"], &rows);
        }
        GroupCommand::Describe { group, bootstrap, output } => {
            let found = bootstrap.connect().await?.admin().describe_group(&group).await?;
            if output == Format::Json {
                return output::json(&json!(found));
            }
            show(&found);
        }
        GroupCommand::ResetOffsets { group, to, topic, dry_run: _, yes, bootstrap, output } => {
            let to = start::parse("--to", &to)?;
            let admin = bootstrap.connect().await?.admin();
            let plan = admin.plan_reset(&group, &topic, to).await?;
            if yes {
                admin.reset_offsets(&group, &plan).await?;
            }
            if output == Format::Json {
                return output::json(&json!({"group": group, "is_done": yes, "offsets": plan}));
            }
            let rows: Vec<Vec<String>> = plan
                .iter()
                .map(|reset| {
                    let from = reset.from.map_or_else(|| "-".to_owned(), |from| from.to_string());
                    vec![reset.topic.clone(), reset.partition.to_string(), from, reset.to.to_string()]
                })
                .collect();
            output::table(&["TOPIC", "PARTITION", "FROM", "TO"], &rows);
            if plan.iter().all(|reset| reset.from.is_none()) {
                eprintln!("group {group} had no offsets there before");
            }
            if !yes {
                eprintln!("nothing was moved: give --yes to do it");
            }
        }
        GroupCommand::Delete { group, yes, dry_run, bootstrap } => {
            let admin = bootstrap.connect().await?.admin();
            let found = admin.describe_group(&group).await?;
            if !found.members.is_empty() {
                return Err(Failure::conflict(format!(
                    "group {group} has {}: stop them first",
                    count(found.members.len() as i64, "member")
                )));
            }
            let offset = if found.group.kind == "share" { "start offset" } else { "committed offset" };
            let what = format!("delete group {group} with {}", count(found.offsets.len() as i64, offset));
            if dry_run {
                println!("would {what}");
                return Ok(());
            }
            confirm(&what, yes).await?;
            admin.delete_group(&group).await?;
            println!("group {group} deleted");
        }
    }
    Ok(())
}
