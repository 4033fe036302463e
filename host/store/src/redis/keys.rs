//! Where everything lies in Redis. This page is the layout; changing it needs a new [`SCHEMA`].
//!
//! There are 1,024 partitions. A conversation belongs to one for life: its id modulo 1,024. All keys of a partition
//! carry one hash tag, `{p17}`, so they lie in one slot of a Cluster and one script can write them together.
//!
//! | key, after `<prefix>:{p17}:` | type | holds |
//! | --- | --- | --- |
//! | `lease` | string, expires | who holds the partition: `<epoch> <owner>`; every script compares it |
//! | `n` | hash | counters: `place`, `letter`, `ticket` (open ones), `conversation` |
//! | `c:<conversation>` | hash | `v` version, `d` the conversation, `k` a digest of its contact and player, `g` its game, `i` last place in the inbox, `o` last outgoing message, `t` failed tries of the oldest event, `m` from when on marketing may be sent (empty: not at all) |
//! | `in:<conversation>` | list | the inbox, oldest first: `<place> <received_at> <event>` |
//! | `pending` | hash | conversations whose inbox holds something, with their game |
//! | `q:<lane>` | sorted set | outgoing messages of a lane (`<number>.<kind>`) by their place, which counts over all lanes |
//! | `lanes` | set | lanes that may hold something |
//! | `out` | hash | all messages to be sent: `<attempts> <due_at> <since> <lane> <wamid>`; `since` is 0 until a send begins, the wamid is that of an earlier send |
//! | `parked`, `parked:why` | sorted set, hash | those of them that wait for a time and are in no lane's order, by that time, and why |
//! | `b:<day>` | hash | what messages say, until they are delivered or a day has passed |
//! | `r:<day>` | hash | receipts: `<state> <at> <attempts> <wamid>` |
//! | `g:<day>` | hash, expires | messages that are counted: `<game>/<campaign> <variant>` |
//! | `tally:<game>/<campaign>` | hash, expires | what became of its messages in this partition, by name: core's `Tally` |
//! | `s:<day>` | set, expires | digests of what came, by the day of its own time |
//! | `k:<digest>` | string, expires | when an event came whose key has no time of its own |
//! | `buckets` | sorted set | `b`, `r` and `s` by their last write, so that old ones can be forgotten whole |
//! | `timers`, `timers:events` | sorted set, hash | timers by due time, and the events that they become |
//! | `tickets`, `tickets:open:<game>`, `tickets:closed:<game>` | hash, sorted sets | tickets, and their order |
//! | `letters`, `letters:by-id` | hash, sorted set | dead letters: `F<conversation> <game> <letter>`, or `L<conversation> <game> <attempts> <length of head> <head><message>` |
//! | `consents`, `steps` | streams | append-only records; `steps` is cut |
//! | `audits` | stream | records of the audit log that are not linked into their game's chain yet |
//! | `moves` | list | changes of names and players that a commit made and that are still to be done outside of its slot: `m<conversation> <length of the first> <conversation before><after>` |
//! | `notices` | list | partition 0 only: notices concern no conversation |
//!
//! Days of outgoing messages are those of their commits, and the message's name tells it: its number is the millisecond
//! of its commit, or the next that is free. So even a server that has lost its last writes gives no name again, for time
//! has passed, and the receipts of a day are forgotten as one key.
//!
//! What is personal is sealed: `d`, events, what messages say, wamids, letters, tickets, consents, steps, notices, pages,
//! documents.
//! What it is found by is a digest, see [`crate::seal`].
//!
//! Names (a phone number or BSUID, as seen by one of our numbers, as a digest) hash to 1,024 buckets with slots of their own,
//! `<prefix>:{a17}:names` (hash: name to conversation) and `:next` (counter). Who comes first creates the conversation;
//! its partition is the bucket of its first name. Names carry no fence: each is one field of one key, and whoever asks
//! gets the same answer.
//!
//! Documents, which change seldom and belong to no partition, are keys of their own, `<prefix>:doc:<name>` (string): games'
//! releases and tokens of studios, see [`crate::documents`].
//!
//! Pages, which are changed together and forgotten at their time, are keys of their own too, `<prefix>:{v/<game>}:<digest of
//! the name>` (string, expires): one-time codes and their guards, see [`crate::verifications`]. Those of a game lie in one slot.
//!
//! Sliding windows of permits are keys of their own, each in its own slot: `<prefix>:{w<digest>}` (sorted set, expires): keyed
//! digests of the members by when they took their place, see [`crate::permits`].
//!
//! Two more kinds of keys lie in those slots. `<prefix>:{a17}:player:<digest>` (sorted set) has the conversations of a
//! player by the version that put them there; it may name more than there are, the conversations themselves decide.
//! `<prefix>:{a17}:key:<digest>` (string, expires) has the conversation that an event without a time of its own went to,
//! so that a repetition looks there, whatever it is addressed to.
//!
//! The audit log of a game is a chain in a slot of its own, see [`super::audit`]: `<prefix>:{g:<game>}:audit` (hash) has its
//! `head`, and by partition the last record that was taken from it; `:audit:entries` and `:audit:details` (hashes) have both
//! by the entries' places, `:audit:of:<name>` (set) the places of a pseudonym or conversation. `<prefix>:{meta}:audited` (set)
//! has the games that have a chain.
//!
//! Four keys stand alone: `<prefix>:{meta}:schema`; `<prefix>:{meta}:epoch`, the counter of leases;
//! `<prefix>:{meta}:keys` (set), the names of the keys under which something may lie; and `<prefix>:{meta}:relane`, there while
//! messages of layout 2 are put into their lanes.

use questline_core::id::{ConversationId, DeadLetterId, GameId};

/// The layout that this code reads and writes.
pub(super) const SCHEMA: u64 = 3;

/// The layout before: a partition's messages wait in one sorted set, `queue`, and `out` knows no lanes. It is taken over.
pub(super) const QUEUE_SCHEMA: u64 = 2;

/// The layout before that: nothing is sealed. It is taken over too.
pub(super) const OPEN_SCHEMA: u64 = 1;

/// How many partitions there are; also how many buckets of names.
pub(super) const PARTITIONS: u16 = 1024;

/// A partition: below [`PARTITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Partition(pub(super) u16);

impl Partition {
    /// Where notices lie.
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn of(conversation: ConversationId) -> Self {
        Self((conversation.0 % u64::from(PARTITIONS)) as u16)
    }

    pub(super) fn of_letter(letter: DeadLetterId) -> Self {
        Self((letter.0 % u64::from(PARTITIONS)) as u16)
    }

    pub(super) fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..PARTITIONS).map(Self)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The names of keys under one prefix.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Box<str>,
    leases: Box<[Box<str>]>,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let leases = Partition::all().map(|partition| format!("{prefix}:{{p{}}}:lease", partition.0).into_boxed_str());
        Self { prefix: prefix.into(), leases: leases.collect() }
    }

    /// The lease of a partition: the key that routes a script to its slot.
    pub(super) fn lease(&self, partition: Partition) -> &str {
        self.leases.get(partition.index()).map_or("", |lease| lease)
    }

    /// Another key of a partition.
    pub(super) fn key(&self, partition: Partition, name: &str) -> String {
        let lease = self.lease(partition);
        let base = lease.strip_suffix("lease").unwrap_or(lease);
        let mut key = String::with_capacity(base.len() + name.len());
        key.push_str(base);
        key.push_str(name);
        key
    }

    /// A key of a conversation.
    pub(super) fn of(&self, conversation: ConversationId, kind: &str) -> String {
        self.key(Partition::of(conversation), &format!("{kind}:{conversation}"))
    }

    /// The names that lie with this one.
    pub(super) fn names(&self, name: &[u8]) -> String {
        format!("{}:{{a{}}}:names", self.prefix, bucket_of(name))
    }

    /// The counter of conversations that begin with such a name.
    pub(super) fn next(&self, name: &[u8]) -> String {
        format!("{}:{{a{}}}:next", self.prefix, bucket_of(name))
    }

    /// The names of a bucket.
    pub(super) fn names_in(&self, bucket: u16) -> String {
        format!("{}:{{a{bucket}}}:names", self.prefix)
    }

    /// How many conversations of a partition have a number: it is the bucket's in which they began.
    pub(super) fn counter(&self, partition: Partition) -> String {
        format!("{}:{{a{}}}:next", self.prefix, partition.0)
    }

    /// What the keys of all players' conversations look like.
    pub(super) fn players_pattern(&self) -> String {
        format!("{}:{{a*}}:player:*", self.prefix)
    }

    pub(super) fn document(&self, name: &str) -> String {
        format!("{}:doc:{name}", self.prefix)
    }

    /// A page of a game; all of them in one slot.
    pub(super) fn page(&self, game: &GameId, name: &str) -> String {
        format!("{}:{{v/{game}}}:{name}", self.prefix)
    }

    /// A window of permits.
    pub(super) fn permits(&self, window: &[u8]) -> String {
        let mut key = format!("{}:{{w", self.prefix);
        for byte in window {
            // Writing to a String does not fail.
            let _ = std::fmt::Write::write_fmt(&mut key, format_args!("{byte:02x}"));
        }
        key.push('}');
        key
    }

    /// A game's chain, or a part of it.
    pub(super) fn chain(&self, game: &GameId, part: &str) -> String {
        let separator = if part.is_empty() { "" } else { ":" };
        format!("{}:{{g:{game}}}:audit{separator}{part}", self.prefix)
    }

    /// Games that have a chain.
    pub(super) fn audited(&self) -> String {
        format!("{}:{{meta}}:audited", self.prefix)
    }

    /// What all pages begin with.
    pub(super) fn pages(&self) -> String {
        format!("{}:{{v/", self.prefix)
    }

    /// A player's conversations: under a digest, or, from before, `<game>/<player>`.
    pub(super) fn player(&self, name: &str) -> String {
        format!("{}:{{a{}}}:player:{name}", self.prefix, bucket_of(name.as_bytes()))
    }

    /// The bucket in which a key lies, and what it is called there.
    pub(super) fn in_bucket<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&*self.prefix)?.strip_prefix(":{a")?.split_once("}:").map(|(_, name)| name)
    }

    /// Where the event of a key without a time went.
    pub(super) fn timeless(&self, digest: &str) -> String {
        format!("{}:{{a{}}}:key:{digest}", self.prefix, bucket_of(digest.as_bytes()))
    }

    pub(super) fn schema(&self) -> String {
        format!("{}:{{meta}}:schema", self.prefix)
    }

    pub(super) fn relane(&self) -> String {
        format!("{}:{{meta}}:relane", self.prefix)
    }

    pub(super) fn listed_keys(&self) -> String {
        format!("{}:{{meta}}:keys", self.prefix)
    }

    pub(super) fn epoch(&self) -> String {
        format!("{}:{{meta}}:epoch", self.prefix)
    }
}

/// The bucket of a name: FNV-1a, 64 bits, folded. Part of the layout.
pub(super) fn bucket_of(name: &[u8]) -> u16 {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash ^ (hash >> 32)) % u64::from(PARTITIONS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_partition_share_a_hash_tag() {
        let keys = Keys::new("ql");
        let conversation = ConversationId(3 * 1024 + 17);
        assert_eq!(Partition::of(conversation), Partition(17));
        assert_eq!(keys.of(conversation, "in"), "ql:{p17}:in:3089");
        assert_eq!(keys.lease(Partition(17)), "ql:{p17}:lease");
    }

    #[test]
    fn buckets_are_fixed_and_spread() {
        assert_eq!(bucket_of(b"100/p/15550100"), 197, "changing the hash loses every conversation that is stored");
        let mut filled = [0u32; PARTITIONS as usize];
        for n in 0..100_000u32 {
            filled[usize::from(bucket_of(format!("100/p/4915{n:08}").as_bytes()))] += 1;
        }
        let (least, most) = (filled.iter().min().copied(), filled.iter().max().copied());
        assert!(least > Some(50) && most < Some(160), "{least:?}..{most:?} where 98 is even");
    }
}
