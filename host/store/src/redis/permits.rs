//! Sliding windows as sorted sets, each in a slot of its own. They belong to no partition and carry no fence: a script takes
//! the places that are asked for in one window in one go.

use async_trait::async_trait;
use questline_core::port::{PermitAnswer, PermitAsk, PermitReturn, PermitWindow, Permits, StoreError};
use questline_core::time::UnixMs;

use super::script::Script;
use super::{RedisStore, millis, value};
use crate::permits::{KeyedAsk, member_digest, place_to_wait_for, turn, window_digest};

#[async_trait]
impl Permits for RedisStore {
    async fn take_permits(&self, asks: Vec<PermitAsk>, now: UnixMs) -> Result<Vec<PermitAnswer>, StoreError> {
        let session = self.link.session()?;
        let asks: Vec<_> = asks.iter().map(|ask| KeyedAsk::new(&self.chains.key, ask)).collect();
        let commands = asks.chunk_by(|one, other| (one.window, one.span_ms) == (other.window, other.span_ms)).filter_map(|asks| {
            let first = asks.first()?;
            let mut command = self.scripts.call(Script::Permits, &[&self.keys.permits(&first.window)], 32 * asks.len());
            command.arg(millis(now)).arg(first.span_ms.clamp(1, millis(now).max(1)));
            for ask in asks {
                command.arg(&ask.member[..]).arg(ask.max).arg(place_to_wait_for(ask.max, ask.behind));
            }
            Some(command)
        });
        let answers = self.link.call(&session, commands.collect(), None).await?;
        let mut answered = Vec::with_capacity(asks.len());
        for answer in &answers {
            answered.extend(value::list(answer)?);
        }
        let read = |(ask, answer): (&KeyedAsk, &redis::Value)| match value::text(answer)? {
            "n" => Ok(PermitAnswer::New),
            "h" => Ok(PermitAnswer::Held),
            taken_at => {
                let taken_at = UnixMs(value::parse_number(taken_at)?);
                Ok(PermitAnswer::NotBefore(turn(taken_at, ask.max, ask.span_ms, ask.behind, now)))
            }
        };
        if answered.len() != asks.len() {
            return Err(StoreError::Corrupt("Redis answered another number of permits than were asked for".to_owned()));
        }
        asks.iter().zip(answered).map(read).collect()
    }

    async fn return_permits(&self, returns: Vec<PermitReturn>) -> Result<(), StoreError> {
        let session = self.link.session()?;
        let commands = returns.iter().map(|back| {
            let window = self.keys.permits(&window_digest(&self.chains.key, &back.window));
            let mut command = self.scripts.call(Script::Unpermit, &[&window], 64);
            command.arg(&member_digest(&self.chains.key, &back.window, &back.member)[..]).arg(millis(back.taken_at));
            command
        });
        self.link.call(&session, commands.collect(), None).await.map(drop)
    }

    async fn permits_used(&self, windows: Vec<(PermitWindow, u64)>, now: UnixMs) -> Result<Vec<u32>, StoreError> {
        let session = self.link.session()?;
        let commands = windows.iter().map(|(window, span_ms)| {
            let mut command = redis::cmd("ZCOUNT");
            command.arg(self.keys.permits(&window_digest(&self.chains.key, window)));
            command.arg(format!("({}", millis(now.minus_ms(*span_ms)))).arg("+inf");
            command
        });
        let answers = self.link.call(&session, commands.collect(), None).await?;
        answers.iter().map(|answer| value::number(answer).map(|used| used.try_into().unwrap_or(u32::MAX))).collect()
    }
}
