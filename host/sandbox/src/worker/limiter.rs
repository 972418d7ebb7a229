//! Memory, tables and instances of one store.

use wasmtime::{ResourceLimiter, Result};

use crate::limits::{INSTANCES_MAX, TABLE_ELEMENTS_MAX};

/// Refuses what exceeds the limits, and remembers that it refused memory: what the plugin does then (usually it traps) would
/// not tell why.
#[derive(Debug)]
pub struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    refused_memory: bool,
}

impl Limiter {
    /// Allows `memory_bytes_max` bytes in all memories together.
    pub fn new(memory_bytes_max: u64) -> Self {
        Self {
            memory_bytes_max: usize::try_from(memory_bytes_max).unwrap_or(usize::MAX),
            memory_bytes: 0,
            table_elements: 0,
            refused_memory: false,
        }
    }

    /// The limit in bytes, when memory was refused.
    pub fn refused_memory(&self) -> Option<u64> {
        self.refused_memory.then_some(self.memory_bytes_max as u64)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.refused_memory = true;
            return Ok(false);
        }
        let allowed = maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.memory_bytes = total;
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let allowed =
            total <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.table_elements = total;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}
