//! What a player can send.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

/// One thing that arrives from a player. `&str` and `String` become [`Inbound::Text`].
///
/// `Debug` shows the kind alone.
#[derive(Clone)]
#[non_exhaustive]
pub enum Inbound {
    /// A text.
    Text(String),
    /// A picture.
    Image {
        /// The file.
        file: MediaFile,
        /// Text under it.
        caption: Option<String>,
    },
    /// A video.
    Video {
        /// The file.
        file: MediaFile,
        /// Text under it.
        caption: Option<String>,
    },
    /// Sound.
    Audio {
        /// The file.
        file: MediaFile,
        /// Recorded in the app, rather than attached.
        voice: bool,
    },
    /// Any other file.
    Document {
        /// The file.
        file: MediaFile,
        /// Its name.
        filename: String,
        /// Text under it.
        caption: Option<String>,
    },
    /// A sticker.
    Sticker {
        /// The file, WebP.
        file: MediaFile,
        /// Whether it moves.
        animated: bool,
    },
    /// A place.
    Location {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
        /// Name of the place.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// Contact cards.
    Contacts {
        /// The cards.
        cards: Vec<Card>,
        /// `contact_request` when it answers a request (then it is the sender's own), else `other`.
        origin: Option<&'static str>,
    },
    /// A tap on a reply button. [`crate::PlayerHandle::tap`] makes one from a received message.
    ButtonReply {
        /// The button's id.
        id: String,
        /// Its title.
        title: String,
    },
    /// A tap on a list row.
    ListReply {
        /// The row's id.
        id: String,
        /// Its title.
        title: String,
        /// Its description.
        description: Option<String>,
    },
    /// The end of a flow or an address form.
    FlowReply {
        /// `flow` or `address_message`.
        name: String,
        /// A JSON text; need not be an object.
        response_json: String,
    },
    /// A tap on a template's quick-reply button.
    QuickReply {
        /// The button's payload.
        payload: String,
        /// Its text.
        text: String,
    },
    /// A reaction, or its removal.
    Reaction {
        /// The message reacted to.
        message_id: String,
        /// `None` removes.
        emoji: Option<String>,
    },
    /// An order from a catalog.
    Order {
        /// The catalog.
        catalog_id: String,
        /// What the player wrote with it.
        text: String,
        /// What is ordered.
        items: Vec<OrderItem>,
    },
    /// System: the player has another phone number. [`crate::PlayerHandle::change_number`] does all that belongs to it.
    NumberChanged {
        /// What the app shows.
        body: String,
        /// The new number, digits.
        wa_id: String,
        /// The new BSUID, which a new number brings with it.
        user_id: Option<String>,
    },
    /// System: the player has another BSUID.
    UserIdChanged {
        /// What the app shows.
        body: String,
        /// The new id.
        user_id: String,
        /// The one before.
        previous_user_id: String,
    },
    /// System: the player's encryption identity changed, for example with a new phone.
    IdentityChanged {
        /// What the app shows.
        body: String,
        /// The hash to compare with.
        hash: String,
        /// Seconds since the Unix epoch.
        created_timestamp_s: u64,
    },
    /// A message that the Cloud API does not pass on.
    Unsupported {
        /// `poll`, `edit`, ...
        kind: String,
        /// Why: 131051 for the kind, 131052 for media that cannot be fetched or is larger than 100 MB.
        code: u32,
    },
    /// Another text (or media) in place of an earlier message.
    Edit {
        /// The earlier message.
        original_message_id: String,
        /// Its new content.
        message: Box<Inbound>,
    },
    /// An earlier message taken back.
    Revoke {
        /// The earlier message.
        original_message_id: String,
    },
    /// The player opened the chat for the first time; no content.
    RequestWelcome,
    /// Any other type, known to Meta or not.
    Other {
        /// `type`.
        kind: String,
        /// The object under the key of that name; `None` leaves it out.
        content: Option<Value>,
    },
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbound({})", self.to_wire().0)
    }
}

impl From<&str> for Inbound {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Inbound {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A file that a player sends. The emulator stores it and serves it as Meta does.
#[derive(Clone)]
pub struct MediaFile {
    /// The bytes.
    pub bytes: Bytes,
    /// For example `image/jpeg`.
    pub mime_type: String,
    /// The media id; empty until the emulator gives one.
    pub id: String,
    /// Where it can be fetched directly (five minutes, with the token); set by the emulator.
    pub url: Option<String>,
}

impl MediaFile {
    /// A file without an id yet.
    pub fn new(mime_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), mime_type: mime_type.into(), id: String::new(), url: None }
    }
}

/// A contact card.
#[derive(Clone)]
pub struct Card {
    /// The full name.
    pub formatted_name: String,
    /// Phone as written in the card.
    pub phone: String,
    /// The WhatsApp number behind it, if there is one (digits).
    pub wa_id: Option<String>,
}

/// One line of an order.
#[derive(Clone, Debug)]
pub struct OrderItem {
    /// The product in the catalog.
    pub product_retailer_id: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub item_price: f64,
    /// For example `EUR`.
    pub currency: String,
}

/// What stands around a message: which one it answers, whether it was forwarded, which ad led here.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The wamid of the business's message that this one answers.
    pub reply_to: Option<String>,
    /// Forwarded up to five times.
    pub forwarded: bool,
    /// Forwarded more than five times.
    pub frequently_forwarded: bool,
    /// Asked from a product page: catalog id and product id.
    pub referred_product: Option<(String, String)>,
    /// The ad or post that was tapped.
    pub referral: Option<Referral>,
}

impl Context {
    /// Answers the message with this wamid.
    pub fn reply_to(wamid: impl Into<String>) -> Self {
        Self { reply_to: Some(wamid.into()), ..Self::default() }
    }
}

/// An ad or post that led a player here.
#[derive(Clone, Debug)]
pub struct Referral {
    /// Where it stands.
    pub source_url: String,
    /// Its id.
    pub source_id: String,
    /// `ad` or `post`.
    pub source_type: String,
    /// Its headline.
    pub headline: String,
    /// Its text.
    pub body: String,
    /// The click's id; absent for ads in Status.
    pub ctwa_clid: Option<String>,
}

impl Inbound {
    /// The file inside, to be stored.
    pub(crate) fn file_mut(&mut self) -> Option<&mut MediaFile> {
        match self {
            Self::Image { file, .. }
            | Self::Video { file, .. }
            | Self::Audio { file, .. }
            | Self::Document { file, .. }
            | Self::Sticker { file, .. } => Some(file),
            Self::Edit { message, .. } => message.file_mut(),
            _ => None,
        }
    }

    /// Whether it opens the 24-hour window: system notices do not.
    pub(crate) fn opens_window(&self) -> bool {
        !matches!(self, Self::NumberChanged { .. } | Self::UserIdChanged { .. } | Self::IdentityChanged { .. })
    }
}
