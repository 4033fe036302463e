//! Webhook fields beside `messages`: templates, numbers, accounts. Each becomes a typed summary.
//!
//! The structs read Meta's names and our own, so a summary that was written can be read back.

pub mod account;
pub mod number;
pub mod template;

use serde_json::value::RawValue;

use super::envelope::object;
use super::notice::{News, Refused};

/// A set of words of Meta's that may grow: an unknown word is kept as it is.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// A word we do not know, as Meta writes it.
            Other(String),
        }

        impl $type {
            /// As Meta writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            fn from_word(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(crate::bound::cut(other, 64).to_owned()),
                }
            }

            /// For `deserialize_with`: null and absence are no word.
            pub(crate) fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
                use serde::Deserialize as _;
                Ok(crate::lax::Text::deserialize(deserializer)?.get().map(Self::from_word))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// The typed form of a field's value; `None` when the field has none, a refusal when its value is no object.
pub(super) fn read(field: &str, value: &RawValue) -> Option<Result<News, Refused>> {
    Some(match field {
        "message_template_status_update" => template::status_or_quality(value),
        "message_template_quality_update" => object(value).map(News::TemplateQuality),
        "message_template_components_update" => object(value).map(News::TemplateComponents),
        "template_category_update" => object(value).map(News::TemplateCategory),
        "phone_number_quality_update" => object(value).map(News::NumberQuality),
        "phone_number_name_update" => object(value).map(News::NumberName),
        "phone_number_username_update" | "business_username_update" => object(value).map(News::NumberUsername),
        "business_capability_update" => object(value).map(News::Capability),
        "account_update" => object(value).map(|update| News::Account(Box::new(update))),
        "account_alerts" => object(value).map(News::AccountAlert),
        "account_review_update" => object(value).map(News::AccountReview),
        "security" => object(value).map(News::Security),
        _ => return None,
    })
}
