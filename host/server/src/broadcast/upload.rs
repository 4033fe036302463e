//! A list on its way: read as it comes, never in memory as a whole. What is wrong with a row is told by its line.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use questline_core::broadcast::{COLUMNS_MAX, Header, List, ListBuilder, Piece, Row, Wording};
use questline_core::port::StoreError;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::BroadcastDesk;
use questline_core::broadcast::{Broadcast, BroadcastId, Definition};
use questline_core::id::GameId;

/// Bytes of a list.
const LIST_BYTES_MAX: u64 = 256 << 20;
/// Bytes of one row.
const ROW_BYTES_MAX: usize = 64 << 10;
/// Rows whose problem is named; more are counted.
const PROBLEMS_MAX: usize = 1_000;
/// Parts of the body, and pieces of the list, that wait for the other side.
pub(super) const PARTS_MAX: usize = 4;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values, RFC 4180, the names of columns first.
    Csv,
    /// A JSON object in each line.
    JsonLines,
}

/// What is wrong with a row.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    line: u64,
    problem: String,
}

/// What became of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Upload {
    pub(crate) recipients: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) problems: Vec<Problem>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) problems_left_off: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a list was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadFailed {
    /// Its head, or its form from some line on.
    #[error("{0}")]
    Unreadable(String),
    /// Too long.
    #[error("a list may have {LIST_BYTES_MAX} bytes: split it into several broadcasts")]
    TooLarge,
    /// The connection.
    #[error("the list broke off: send it again")]
    BrokeOff,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It began meanwhile.
    #[error("it was started meanwhile: its list stays as it is")]
    Started,
}

impl BroadcastDesk {
    /// Takes a list in place of the one before.
    pub(crate) async fn take_list(
        &self,
        game: &GameId,
        id: &BroadcastId,
        wish: &Definition,
        format: Format,
        body: Body,
    ) -> Result<Upload, UploadFailed> {
        let upload: Box<str> = format!("{:016x}", crate::clock::random()).into();
        let name = upload.clone();
        let begin = Box::new(move |one: &mut Broadcast| one.uploading = Some(name.clone()));
        let before = self.store.broadcast(game, id).await?.and_then(|one| one.uploading);
        self.store.change_broadcast(game, id, begin).await?;
        if let Some(before) = before {
            self.forget_upload(game, id, &before).await?;
        }
        let pieces = AtomicU64::new(0);
        let taken = self.take_pieces(game, id, wish, format, body, (&upload, &pieces)).await;
        let taken = match taken {
            Ok((list, answer)) => self.put_list(game, id, list).await.map(|()| answer),
            Err(problem) => Err(problem),
        };
        if taken.is_err() {
            // All that was put, whoever has forgotten what there was of it meanwhile: it went on coming.
            self.store.forget_list(game, id, &upload, pieces.into_inner()).await?;
        }
        taken
    }

    async fn take_pieces(
        &self,
        game: &GameId,
        id: &BroadcastId,
        wish: &Definition,
        format: Format,
        body: Body,
        (upload, put): (&str, &AtomicU64),
    ) -> Result<(List, Upload), UploadFailed> {
        let (parts, read) = mpsc::channel(PARTS_MAX);
        let (pieces, mut made) = mpsc::channel(PARTS_MAX);
        let wording = wish.wording.clone();
        let builder = ListBuilder::new(wording.clone(), upload).with_zones(wish.local.is_some());
        let reading =
            tokio::task::spawn_blocking(move || Reading { builder, wording, problems: Vec::new(), left_off: 0, pieces }.run(format, read));
        let pump = async move {
            let mut body = body.into_data_stream();
            let mut bytes = 0u64;
            while let Some(part) = body.next().await {
                let part = part.map_err(|_| UploadFailed::BrokeOff)?;
                bytes += part.len() as u64;
                if bytes > LIST_BYTES_MAX {
                    return Err(UploadFailed::TooLarge);
                }
                // Whoever reads has given up: they say why.
                if parts.send(Ok(part)).await.is_err() {
                    break;
                }
            }
            drop(parts);
            Ok(())
        };
        let keep = async {
            let pieces = stream::poll_fn(|context| made.poll_recv(context)).map(|piece| {
                let number = put.fetch_add(1, Ordering::Relaxed);
                Ok::<_, UploadFailed>(async move { Ok(self.store.put_piece(game, id, upload, number, &piece).await?) })
            });
            pieces.try_buffer_unordered(PARTS_MAX).try_collect::<()>().await
        };
        tokio::try_join!(pump, keep)?;
        reading.await.map_err(|_| UploadFailed::Unreadable("the list could not be read".to_owned()))?
    }

    async fn put_list(&self, game: &GameId, id: &BroadcastId, list: List) -> Result<(), UploadFailed> {
        let (upload, kept) = (list.upload.clone(), list);
        let before = self.store.broadcast(game, id).await?.and_then(|one| one.list);
        let put = Box::new(move |one: &mut Broadcast| {
            let is_mine = one.uploading.as_deref() == Some(&*kept.upload);
            if one.state == questline_core::broadcast::State::Draft && is_mine {
                one.list = Some(kept.clone());
                one.uploading = None;
            }
        });
        let after = self.store.change_broadcast(game, id, put).await?;
        if after.and_then(|one| one.list).is_none_or(|list| list.upload != upload) {
            return Err(UploadFailed::Started);
        }
        if let Some(before) = before {
            self.store.forget_list(game, id, &before.upload, before.pieces()).await?;
        }
        Ok(())
    }
}

/// The body as the parsers read it, on a thread that may wait. One row is bounded: a quote that is never closed is no way to
/// fill memory.
struct Parts {
    read: mpsc::Receiver<Result<Bytes, io::Error>>,
    part: Bytes,
    since_row: usize,
    /// What was read from `passed` on, and the lines in front of it.
    seen: VecDeque<u8>,
    passed: u64,
    lines: u64,
}

impl Parts {
    fn new(read: mpsc::Receiver<Result<Bytes, io::Error>>) -> Self {
        Self { read, part: Bytes::new(), since_row: 0, seen: VecDeque::new(), passed: 0, lines: 0 }
    }

    /// The line of the row that begins behind this byte: ends of lines, and empty ones, in front of it are passed over.
    fn line_at(&mut self, byte: u64) -> u64 {
        while self.passed < byte || matches!(self.seen.front(), Some(b'\r' | b'\n')) {
            let Some(next) = self.seen.pop_front() else { break };
            self.passed += 1;
            self.lines += u64::from(next == b'\n');
        }
        self.lines + 1
    }
}

impl Read for Parts {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.read.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        if self.since_row > ROW_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row may have 65,536 bytes"));
        }
        let count = to.len().min(self.part.len());
        to[..count].copy_from_slice(&self.part.split_to(count));
        self.since_row += count;
        self.seen.extend(&to[..count]);
        Ok(count)
    }
}

/// What reads the rows.
struct Reading {
    builder: ListBuilder,
    wording: Wording,
    problems: Vec<Problem>,
    left_off: u64,
    pieces: mpsc::Sender<Piece>,
}

impl Reading {
    fn run(mut self, format: Format, read: mpsc::Receiver<Result<Bytes, io::Error>>) -> Result<(List, Upload), UploadFailed> {
        let parts = Parts::new(read);
        match format {
            Format::Csv => self.csv(parts)?,
            Format::JsonLines => self.json_lines(parts)?,
        }
        let Self { builder, problems, left_off, pieces, .. } = self;
        let (last, list) = builder.finish();
        if let Some(last) = last {
            // The store has failed: it says so itself.
            let _ = pieces.blocking_send(last);
        }
        let List { recipients, duplicates, refused, .. } = list;
        Ok((list, Upload { recipients, duplicates, refused, problems, problems_left_off: left_off }))
    }

    fn csv(&mut self, parts: Parts) -> Result<(), UploadFailed> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(8 << 10).from_reader(parts);
        let mut record = csv::ByteRecord::new();
        let mut header: Option<Header> = None;
        loop {
            reader.get_mut().since_row = 0;
            let line = reader.position().line();
            let unreadable = |problem: csv::Error| UploadFailed::Unreadable(format!("line {line}: it is no CSV: {}", told(&problem)));
            if !reader.read_byte_record(&mut record).map_err(unreadable)? {
                break;
            }
            let byte = record.position().map_or(0, csv::Position::byte);
            let line = reader.get_mut().line_at(byte);
            let fields = record.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
            let Ok(fields) = fields else {
                if header.is_none() {
                    return Err(UploadFailed::Unreadable("line 1: it is not UTF-8".to_owned()));
                }
                self.refuse(line, "it is not UTF-8");
                continue;
            };
            let Some(head) = &header else {
                let made = Header::new(fields.iter().copied(), &self.wording);
                header = Some(made.map_err(|problem| UploadFailed::Unreadable(problem.to_string()))?);
                continue;
            };
            if fields.len() != head.columns.len() {
                self.refuse(line, &format!("it has {} fields, and there are {} columns", fields.len(), head.columns.len()));
                continue;
            }
            let row: Vec<(&str, &str)> = head.columns.iter().map(String::as_str).zip(fields).collect();
            if !self.add(line, &row) {
                return Ok(());
            }
        }
        match header {
            Some(_) => Ok(()),
            None => Err(UploadFailed::Unreadable("the list is empty: its first line names the columns".to_owned())),
        }
    }

    fn json_lines(&mut self, parts: Parts) -> Result<(), UploadFailed> {
        let mut reader = BufReader::new(parts);
        let (mut text, mut line) = (Vec::new(), 0u64);
        loop {
            text.clear();
            line += 1;
            reader.get_mut().since_row = 0;
            reader.get_mut().seen.clear();
            let unreadable = |problem: io::Error| UploadFailed::Unreadable(format!("line {line}: {problem}"));
            if reader.read_until(b'\n', &mut text).map_err(unreadable)? == 0 {
                return Ok(());
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(&text) else {
                self.refuse(line, "it is no JSON object");
                continue;
            };
            if fields.len() > COLUMNS_MAX {
                self.refuse(line, &format!("it has more than {COLUMNS_MAX} fields"));
                continue;
            }
            let texts: Option<Vec<(&str, String)>> = fields.iter().map(|(name, value)| Some((name.as_str(), plain(value)?))).collect();
            let Some(texts) = texts else {
                self.refuse(line, "a field takes a text, a number, true, false or null");
                continue;
            };
            let row: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (*name, value.as_str())).collect();
            if !self.add(line, &row) {
                return Ok(());
            }
        }
    }

    /// False when nobody wants any more.
    fn add(&mut self, line: u64, fields: &[(&str, &str)]) -> bool {
        match self.builder.add(Row { line, fields }) {
            Ok(None) => true,
            Ok(Some(piece)) => self.pieces.blocking_send(piece).is_ok(),
            Err(problem) => {
                self.note(line, problem.to_string());
                true
            }
        }
    }

    fn refuse(&mut self, line: u64, problem: &str) {
        self.builder.refuse();
        self.note(line, problem.to_owned());
    }

    fn note(&mut self, line: u64, problem: String) {
        match self.problems.len() < PROBLEMS_MAX {
            true => self.problems.push(Problem { line, problem }),
            false => self.left_off += 1,
        }
    }
}

/// A value as a column has it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is wrong, without what stood there.
fn told(problem: &csv::Error) -> String {
    match problem.kind() {
        csv::ErrorKind::Io(problem) => problem.to_string(),
        _ => "a row cannot be told from the next".to_owned(),
    }
}
