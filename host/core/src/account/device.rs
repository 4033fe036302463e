//! Devices that are bound to an account: where a proof of who the player is may count for more.

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::time::UnixMs;

/// Devices of one account; the one not seen for longest makes room.
pub const DEVICES_MAX: usize = 16;
/// Characters of a device's name.
pub const DEVICE_NAME_CHARS_MAX: usize = 64;

/// A bound device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// In the studio's words.
    pub id: DeviceId,
    /// What the player calls it; empty where nobody said. At most [`DEVICE_NAME_CHARS_MAX`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When it was bound.
    pub bound_at: UnixMs,
    /// When the player last proved themselves on it.
    pub seen_at: UnixMs,
}

/// All of an account's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Devices(Vec<Device>);

impl Devices {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, the one that was bound first in front.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.0.iter()
    }

    /// Whether this one is bound.
    pub fn has(&self, id: &DeviceId) -> bool {
        self.0.iter().any(|device| device.id == *id)
    }

    /// Binds a device, or notes that a bound one was seen. Gives the one that had to make room.
    pub fn bind(&mut self, id: DeviceId, name: Option<&str>, now: UnixMs) -> Option<Device> {
        let name = name.map(|name| name.chars().filter(|c| !c.is_control()).take(DEVICE_NAME_CHARS_MAX).collect::<String>());
        if let Some(known) = self.0.iter_mut().find(|device| device.id == id) {
            known.seen_at = known.seen_at.max(now);
            if let Some(name) = name {
                known.name = name;
            }
            return None;
        }
        let oldest = self.0.iter().enumerate().min_by_key(|(_, device)| device.seen_at).map(|(place, _)| place);
        let left = oldest.filter(|_| self.0.len() >= DEVICES_MAX).map(|place| self.0.remove(place));
        self.0.push(Device { id, name: name.unwrap_or_default(), bound_at: now, seen_at: now });
        left
    }

    /// Removes one; false when it is not bound.
    pub fn remove(&mut self, id: &DeviceId) -> bool {
        let before = self.0.len();
        self.0.retain(|device| device.id != *id);
        self.0.len() < before
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(n: usize) -> DeviceId {
        DeviceId::parse(&format!("device {n}")).unwrap()
    }

    #[test]
    fn the_device_not_seen_for_longest_makes_room() {
        let mut devices = Devices::default();
        for n in 0..DEVICES_MAX {
            assert_eq!(devices.bind(id(n), None, UnixMs(n as u64)), None);
        }
        assert_eq!(devices.bind(id(0), Some("Phone\u{7}"), UnixMs(100)), None, "it is bound already");
        assert_eq!(devices.iter().next().map(|device| device.name.as_str()), Some("Phone"));
        let left = devices.bind(id(99), None, UnixMs(101)).unwrap();
        assert_eq!(left.id, id(1), "the first one was seen since");
        assert_eq!(devices.iter().count(), DEVICES_MAX);
        assert!(devices.has(&id(99)) && !devices.has(&id(1)));
    }

    #[test]
    fn a_removed_device_is_bound_no_more() {
        let mut devices = Devices::default();
        devices.bind(id(1), None, UnixMs(1));
        assert!(devices.remove(&id(1)) && !devices.remove(&id(1)) && devices.is_empty());
    }
}
