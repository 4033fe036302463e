//! What Meta says of a number.

use hyper::Method;
use questline_core::id::NumberId;
use serde::Deserialize;

use super::client::{GraphClient, GraphError, read};
use super::pool::Pieces;
use crate::lax;

/// What Meta says of a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NumberInfo {
    /// The number as people write it.
    #[serde(deserialize_with = "lax::short")]
    pub display_phone_number: Option<String>,
    /// The name that players see.
    #[serde(deserialize_with = "lax::short")]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(deserialize_with = "lax::short")]
    pub quality_rating: Option<String>,
    /// Messages a second.
    #[serde(deserialize_with = "lax::obj")]
    pub throughput: Option<Throughput>,
    /// For instance `CONNECTED`.
    #[serde(deserialize_with = "lax::short")]
    pub status: Option<String>,
    /// Whether the display name is approved.
    #[serde(deserialize_with = "lax::short")]
    pub name_status: Option<String>,
    /// For instance `CLOUD_API`.
    #[serde(deserialize_with = "lax::short")]
    pub platform_type: Option<String>,
    /// The portfolio's messaging limit, for instance `TIER_2K`.
    #[serde(rename = "whatsapp_business_manager_messaging_limit", deserialize_with = "lax::short")]
    pub messaging_limit: Option<String>,
}

impl NumberInfo {
    /// `STANDARD`: 80 messages a second. `HIGH`: 1,000.
    pub fn throughput_level(&self) -> Option<&str> {
        self.throughput.as_ref()?.level.as_deref()
    }
}

/// Messages a second, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Throughput {
    /// `STANDARD`, `HIGH` or `NOT_APPLICABLE`.
    #[serde(deserialize_with = "lax::short")]
    pub level: Option<String>,
}

impl GraphClient {
    /// What Meta says of a number: shows whether token, number and permissions are in order.
    pub async fn phone_number_info(&self, number: &NumberId) -> Result<NumberInfo, GraphError> {
        const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,throughput,status,name_status,\
                              platform_type,whatsapp_business_manager_messaging_limit";
        let access = self.known(number)?;
        let target = self.path(&format!("/{number}?fields={FIELDS}"))?;
        let answer = self.call(self.request(Method::GET, target, &access, None, Pieces::default())).await?;
        read(&answer)
    }
}
