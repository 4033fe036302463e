//! The scripts, and how a call of one is built.

use redis::Cmd;

use super::keys::{Keys, Partition};
use super::session::Session;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident $file:literal $kind:ident,)*) => {
        /// A script.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Script { $($(#[$doc])* $name,)* }

        impl Script {
            /// Every script.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it says.
            pub(super) fn source(self) -> &'static str {
                match self { $(Self::$name => scripts!(@$kind $file),)* }
            }
        }
    };
    (@fenced $file:literal) => {
        concat!(include_str!("lua/args.lua"), include_str!("lua/common.lua"), include_str!(concat!("lua/", $file, ".lua")))
    };
    (@counted $file:literal) => { concat!(include_str!("lua/args.lua"), include_str!(concat!("lua/", $file, ".lua"))) };
    (@plain $file:literal) => { include_str!(concat!("lua/", $file, ".lua")) };
}

scripts! {
    Append "append" fenced,
    Commit "commit" fenced,
    Tries "tries" fenced,
    Begin "begin" fenced,
    BeginMarketing "begin_marketing" fenced,
    Record "record" fenced,
    Enqueue "enqueue" fenced,
    Deed "deed" fenced,
    Page "page" fenced,
    Behind "behind" fenced,
    Waiting "waiting" fenced,
    Relane "relane" fenced,
    Learn "learn" fenced,
    Fire "fire" fenced,
    Scan "scan" fenced,
    Letters "letters" fenced,
    Letter "letter" fenced,
    Retry "retry" fenced,
    Close "close" fenced,
    Notices "notices" fenced,
    Depth "depth" fenced,
    Prune "prune" fenced,
    Check "check" fenced,
    Rewrite "rewrite" fenced,
    Acquire "acquire" plain,
    Renew "renew" plain,
    Leave "leave" plain,
    Claim "claim" plain,
    Forget "forget" plain,
    Document "document" plain,
    Pages "pages" plain,
    Permits "permits" plain,
    Unpermit "unpermit" plain,
    Link "link" counted,
    Unplace "unplace" plain,
}

/// The names under which a server knows the scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    hashes: Vec<Box<str>>,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let hash = |script: &Script| redis::Script::new(script.source()).get_hash().into();
        Self { hashes: Script::ALL.iter().map(hash).collect() }
    }

    /// A call of a script on these keys; arguments follow.
    pub(super) fn call(&self, script: Script, keys: &[&str], bytes: usize) -> Cmd {
        let mut command = Cmd::with_capacity(keys.len() + 24, bytes + 128);
        command.arg("EVALSHA").arg(self.hashes.get(script as usize).map_or("", |hash| hash)).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        command
    }

    /// A call of a script of a partition, under a session's lease; arguments follow. `bytes`: what they weigh, roughly.
    pub(super) fn fenced(&self, script: Script, keys: &Keys, session: &Session, partition: Partition, bytes: usize) -> Cmd {
        let mut command = self.call(script, &[keys.lease(partition)], bytes);
        command.arg(session.lease.as_str());
        command
    }

    /// What makes a server know them.
    pub(super) fn load() -> impl Iterator<Item = Cmd> {
        Script::ALL.iter().map(|script| {
            let mut command = redis::cmd("SCRIPT");
            command.arg("LOAD").arg(script.source());
            command
        })
    }
}
