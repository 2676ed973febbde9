//! The calls that earlier processes made for the contacts that are pending in a run.
//!
//! They are read at once when a run is taken up: few pending contacts have any, and an index from contacts to calls would cost
//! every call a write.

use std::collections::{BTreeMap, HashMap};

use super::attempts::{attempt_of, kind_of};
use super::{Result, Store, damaged, natural};
use crate::core::call::Asked;
use crate::core::task::PastCall;
use crate::core::time::Timestamp;

/// The calls by run and contact, as they were when the run was taken up.
pub(super) type PastCalls = BTreeMap<i64, HashMap<i64, Vec<PastCall>>>;

impl Store {
    /// Begins anew: the run is taken up by another process.
    pub(super) fn forget_past_calls(&self, run: i64) {
        self.past_calls.borrow_mut().remove(&run);
    }

    pub(super) fn past_calls_of(&self, run: i64, contact: i64) -> Result<Vec<PastCall>> {
        let loaded = self.past_calls.borrow().get(&run).map(|calls| calls.get(&contact).cloned());
        if let Some(calls) = loaded {
            return Ok(calls.unwrap_or_default());
        }
        let calls = self.read_past_calls(run)?;
        let found = calls.get(&contact).cloned().unwrap_or_default();
        self.past_calls.borrow_mut().insert(run, calls);
        Ok(found)
    }

    fn read_past_calls(&self, run: i64) -> Result<HashMap<i64, Vec<PastCall>>> {
        let mut query = self.db.prepare_cached(
            "SELECT contact, kind, asked, result, coalesce((SELECT detail FROM open_answers WHERE call = number), detail),
                 started_at, took
             FROM run_calls WHERE run = ?1 AND took IS NOT NULL AND contact IN (SELECT contact FROM pending WHERE run = ?1)
             ORDER BY number",
        )?;
        let mut rows = query.query([run])?;
        let mut calls: HashMap<i64, Vec<PastCall>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let (asked, started, took): (Option<i64>, i64, i64) = (row.get(2)?, row.get(5)?, row.get(6)?);
            let call = PastCall {
                kind: kind_of(row.get(1)?)?,
                asked: asked.map(|asked| self.asked_of(asked)).transpose()?,
                attempt: attempt_of(row.get(3)?, row.get(4)?)?,
                ended: Timestamp::from_millis(natural(started.saturating_add(took))),
            };
            calls.entry(row.get(0)?).or_default().push(call);
        }
        Ok(calls)
    }

    /// The search and page of a find as a number.
    pub(super) fn asked_number(&self, asked: &Asked) -> Result<i64> {
        Ok(self.names.number(self, &asked.field)? << 32 | i64::from(asked.page))
    }

    pub(super) fn asked_of(&self, number: i64) -> Result<Asked> {
        let page = u32::try_from(number & i64::from(u32::MAX));
        let page = page.map_err(|_| damaged("what was asked", "its page is too large"))?;
        Ok(Asked { field: self.names.text(self, number >> 32)?.to_string(), page })
    }
}
