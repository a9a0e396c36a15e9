//! The contract suite on an SQLite file.

use std::sync::Arc;

use async_trait::async_trait;
use refrain_catalog::Catalog;

use crate::contract::{TestStorage, contract_suite};

mod invalid_files;
mod killed;
mod readonly;

/// A catalog file in a separate folder.
pub(crate) struct File {
    folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("new folder/the catalogue?#%41.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }
}

#[async_trait]
impl TestStorage for File {
    async fn open(&self) -> Arc<dyn Catalog> {
        refrain_catalog::open(&self.url()).await.unwrap()
    }

    fn url(&self) -> String {
        self.url()
    }
}

contract_suite!(crate::sqlite::File::new());
