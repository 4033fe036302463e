//! Commands, and the connections that they go over.
//!
//! A command has a lane: its partition, or its bucket of names. Commands of one lane go over one connection, in their
//! order; those of others may overtake them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use questline_core::port::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, ToRedisArgs, Value};

use super::keys::Partition;
use super::value;

/// A command on its way.
pub(super) struct Command {
    cmd: Cmd,
    lane: u16,
}

impl Command {
    /// A command of a partition.
    pub(super) fn of(partition: Partition, name: &str) -> Self {
        Self::in_lane(partition.0, name)
    }

    /// A command in a lane.
    pub(super) fn in_lane(lane: u16, name: &str) -> Self {
        Self { cmd: redis::cmd(name), lane }
    }

    /// With room for so many arguments and bytes.
    pub(super) fn with_capacity(lane: u16, name: &str, arguments: usize, bytes: usize) -> Self {
        let mut cmd = Cmd::with_capacity(arguments, bytes);
        cmd.arg(name);
        Self { cmd, lane }
    }

    /// Adds an argument.
    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.cmd.arg(argument);
        self
    }
}

/// The connections of a session.
pub(super) struct Connections(pub(super) Vec<MultiplexedConnection>);

impl Connections {
    /// Has commands done, those of a lane in their order. One answer for each, in the order of the commands.
    pub(super) async fn send(&mut self, commands: Vec<Command>) -> RedisResult<Vec<Value>> {
        let (count, width) = (commands.len(), self.0.len().max(1));
        let mut parts = (0..width).map(|_| (Pipeline::with_capacity(count / width + 1), Vec::new())).collect::<Vec<_>>();
        for (at, command) in commands.into_iter().enumerate() {
            if let Some((pipeline, places)) = parts.get_mut(usize::from(command.lane) % width) {
                pipeline.add_command(command.cmd);
                places.push(at);
            }
        }
        let busy = self.0.iter_mut().zip(parts).filter(|(_, (_, places))| !places.is_empty());
        let sends = busy.map(|(connection, (pipeline, places))| async move {
            let answers = connection.send_packed_commands(&pipeline, 0, places.len()).await?;
            Ok::<_, redis::RedisError>((places, answers))
        });
        let mut answers = vec![Value::Nil; count];
        for (places, part) in join_all(sends).await? {
            for (at, answer) in places.into_iter().zip(part) {
                if let Some(place) = answers.get_mut(at) {
                    *place = answer;
                }
            }
        }
        Ok(answers)
    }

    /// Has commands done; any refusal is an error.
    pub(super) async fn ask(&mut self, commands: Vec<Command>) -> Result<Vec<Value>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.send(commands).await.map_err(|error| value::failed(&error))?;
        answers.iter().try_for_each(value::check)?;
        Ok(answers)
    }
}

/// Waits for all; the first error ends the waiting.
async fn join_all<T, E>(futures: impl Iterator<Item = impl Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    let mut waiting = futures.map(Box::pin).collect::<Vec<_>>();
    let mut done = Vec::with_capacity(waiting.len());
    poll_fn(|context| {
        let mut failed = None;
        waiting.retain_mut(|future| match Pin::as_mut(future).poll(context) {
            Poll::Ready(Ok(value)) => {
                done.push(value);
                false
            }
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
            Poll::Pending => true,
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if waiting.is_empty() => Poll::Ready(Ok(std::mem::take(&mut done))),
            None => Poll::Pending,
        }
    })
    .await
}
