//! Properties of topics, groups and brokers: listing, describing, altering. One file an API, with the name of its message.

pub(crate) mod alter_configs;
mod altered;
pub(crate) mod describe_configs;
pub(crate) mod incremental_alter_configs;
pub(crate) mod list_config_resources;
