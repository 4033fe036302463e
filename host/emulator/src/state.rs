//! What all rooms of a running emulator share.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{Clock, millis};
use crate::config::{Number, Rules, StatusPlan};
use crate::fault::FaultBoard;
use crate::graph::media::MediaStore;
use crate::graph::templates::TemplateBook;
use crate::ids::Ids;
use crate::ledger::{Ledger, Tally, add};
use crate::player::Directory;
use crate::rules::rate::NumberRate;
use crate::rules::recipient;
use crate::rules::template::Spec;
use crate::template::Template;
use crate::webhook::{Change, Metadata, Update, Webhooks, fields};

/// The whole of it. Nothing here is one lock for all: numbers are read-only, players are sharded.
pub(crate) struct State {
    pub(crate) base_url: String,
    pub(crate) access_token: String,
    pub(crate) rules: Rules,
    pub(crate) inbox_messages_max: usize,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    /// By phone number id.
    pub(crate) numbers: HashMap<String, Arc<NumberState>>,
    pub(crate) first_number: Arc<NumberState>,
    pub(crate) templates: TemplateBook,
    pub(crate) players: Directory,
    pub(crate) media: MediaStore,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) faults: FaultBoard,
    pub(crate) statuses: RwLock<StatusPlan>,
    pub(crate) webhooks: Webhooks,
}

/// A business number at work.
pub(crate) struct NumberState {
    pub(crate) id: Arc<str>,
    pub(crate) waba_id: Arc<str>,
    pub(crate) config: Number,
    /// The displayed number's digits, as webhooks show it.
    pub(crate) digits: String,
    pub(crate) throughput_mps: AtomicU32,
    pub(crate) rate: NumberRate,
    pub(crate) settings: Mutex<Value>,
    /// Blocked users, as `wa_id` or BSUID.
    pub(crate) blocked: Mutex<Vec<String>>,
}

impl NumberState {
    pub(crate) fn new(config: Number) -> Self {
        let digits = config.display_phone_number.chars().filter(char::is_ascii_digit).collect();
        Self {
            id: config.phone_number_id.as_str().into(),
            waba_id: config.waba_id.as_str().into(),
            digits,
            throughput_mps: AtomicU32::new(config.throughput_mps),
            rate: NumberRate::default(),
            settings: Mutex::new(Value::Object(serde_json::Map::new())),
            blocked: Mutex::default(),
            config,
        }
    }

    pub(crate) fn metadata(&self) -> Metadata<'_> {
        Metadata { display_phone_number: &self.digits, phone_number_id: &self.id }
    }

    /// The country code that Meta puts before numbers without a plus.
    pub(crate) fn country_code(&self) -> Option<&str> {
        recipient::country_code(&self.config.display_phone_number)
    }
}

impl State {
    /// Posts an update to the host, as late as the faults want.
    pub(crate) fn tell(&self, update: Update) {
        self.tell_after(Duration::ZERO, update);
    }

    /// Posts an update to the host after `delay`, and as much later as the faults want.
    pub(crate) fn tell_after(&self, mut delay: Duration, update: Update) {
        if self.webhooks.is_overfull() {
            add(&self.tally.updates_dropped, 1);
            return;
        }
        if let Some(faults) = self.faults.webhook() {
            delay += faults.delay + faults.delay_jitter.mul_f64(self.faults.roll());
        }
        if delay.is_zero() {
            self.webhooks.post(update);
        } else {
            self.webhooks.post_at(self.clock.now_ms() + millis(delay), update);
        }
    }

    /// Posts an update of an account's own, such as a template's.
    pub(crate) fn tell_account(&self, waba_id: &Arc<str>, change: Change) {
        self.tell(Update { waba_id: Arc::clone(waba_id), change, order_key: Update::key(waba_id, "") });
    }

    /// Tells the host where a template stands; `more` adds keys such as `other_info`.
    pub(crate) fn tell_template_status(&self, spec: &Spec, more: Value) {
        let Template { name, language, status, category, .. } = &spec.template;
        let mut keys = json!({ "message_template_category": category.as_str() });
        if let (Value::Object(keys), Value::Object(more)) = (&mut keys, more) {
            keys.extend(more);
        }
        let change = fields::message_template_status_update(status.as_str(), &spec.id, name, language, keys);
        self.tell_template(spec, change);
    }

    /// Posts an update about a template to the host of the account that owns it.
    pub(crate) fn tell_template(&self, spec: &Spec, change: Change) {
        let owner: Arc<str> = match &spec.template.waba_id {
            Some(id) => id.as_str().into(),
            None => Arc::clone(&self.first_number.waba_id),
        };
        self.tell_account(&owner, change);
    }

    pub(crate) fn has_account(&self, waba_id: &str) -> bool {
        self.numbers.values().any(|number| &*number.waba_id == waba_id)
    }
}
