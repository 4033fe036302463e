//! What was put at Meta, over an engine's pages: a page for each file of a number, forgotten when Meta forgets the file.
//!
//! | page of a game | holds |
//! | --- | --- |
//! | `upload/<number>/<kind>/<SHA-256>` | Meta's id and when the file was put there, JSON |

use questline_core::port::{StoreError, Upload, UploadKey};
use questline_core::time::UnixMs;

use crate::codec::{decode, encode};
use crate::pages::{PageWrite, Pages, change_with_answer};

const UPLOAD: &str = "an upload";
/// Forgotten as soon as somebody looks.
const FORGOTTEN: UnixMs = UnixMs(1);

fn page(key: &UploadKey) -> String {
    format!("upload/{}/{}/{}", key.number, key.kind.as_str(), key.digest)
}

fn read(page: Option<&Vec<u8>>) -> Result<Option<Upload>, StoreError> {
    page.map(|json| decode::<Option<Upload>>(UPLOAD, json)).transpose().map(Option::flatten)
}

fn write(upload: Option<&Upload>) -> Result<PageWrite, StoreError> {
    let forget_at = upload.map_or(FORGOTTEN, Upload::ends_at);
    Ok(PageWrite { value: encode(UPLOAD, &upload)?.into_bytes(), forget_at })
}

pub(crate) async fn upload(store: &dyn Pages, key: &UploadKey) -> Result<Option<Upload>, StoreError> {
    read(store.read_pages(&key.game, vec![page(key)]).await?.first().and_then(Option::as_ref))
}

pub(crate) async fn keep(store: &dyn Pages, key: &UploadKey, upload: Upload) -> Result<(), StoreError> {
    change_with_answer(store, &key.game, vec![page(key)], move |_| Ok(((), vec![Some(write(Some(&upload))?)]))).await
}

pub(crate) async fn forget(store: &dyn Pages, key: &UploadKey, id: &str) -> Result<(), StoreError> {
    let id = id.to_owned();
    change_with_answer(store, &key.game, vec![page(key)], move |pages| {
        let is_it = read(pages.first().and_then(Option::as_ref))?.is_some_and(|kept| kept.id == id);
        Ok(((), vec![if is_it { Some(write(None)?) } else { None }]))
    })
    .await
}

/// The port over an engine's pages.
macro_rules! uploads_over_pages {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl questline_core::port::Uploads for $store {
            async fn upload(
                &self,
                key: &questline_core::port::UploadKey,
            ) -> Result<Option<questline_core::port::Upload>, questline_core::port::StoreError> {
                $crate::uploads::upload(self, key).await
            }

            async fn keep_upload(
                &self,
                key: &questline_core::port::UploadKey,
                upload: questline_core::port::Upload,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::uploads::keep(self, key, upload).await
            }

            async fn forget_upload(&self, key: &questline_core::port::UploadKey, id: &str) -> Result<(), questline_core::port::StoreError> {
                $crate::uploads::forget(self, key, id).await
            }
        }
    };
}

pub(crate) use uploads_over_pages;
