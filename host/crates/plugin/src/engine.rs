//! The one engine of the process.

use wasmtime::{
    Config as WasmConfig, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use crate::error::RuntimeError;
use crate::limits::CallLimits;

/// Stack of a guest. One for the engine.
const WASM_STACK_BYTES: usize = 256 * 1024;
/// Stack of a call with the functions of the host.
const CALL_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Written memory of an unused instance that stays with the pool; more is given back.
const RESIDENT_MEMORY_BYTES: usize = 256 * 1024;
/// The same of a table.
const RESIDENT_TABLE_BYTES: usize = 16 * 1024;
/// Elements of one table.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Core modules in one component; `wit-component` makes three of one.
pub(crate) const MODULES: u32 = 20;

/// An engine for at most `instances` plugins alive at once.
pub(crate) fn engine(instances: u32, limits: &CallLimits) -> Result<Engine, RuntimeError> {
    let mut config = compiling();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, limits)));
    Engine::new(&config).map_err(|error| RuntimeError::Engine(format!("{error:#}")))
}

/// An engine that makes the same code and runs none: it takes no address space for instances.
pub(crate) fn compiling_engine() -> Result<Engine, RuntimeError> {
    Engine::new(&compiling()).map_err(|error| RuntimeError::Engine(format!("{error:#}")))
}

/// All that has a say in the code.
fn compiling() -> WasmConfig {
    let mut config = WasmConfig::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES)
        // A call can be recorded and run again bit for bit.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .concurrency_support(false);
    config
}

/// Address space for that many instances; memory itself is taken when it is touched, and zeroed
/// before another instance gets it. What a call commonly touches stays with the pool: giving it
/// back and taking it again costs more than most calls do, since every core has to forget it.
fn pool(instances: u32, limits: &CallLimits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(4)
        .max_tables_per_component(MODULES)
        .max_memory_size(limits.memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(64)
        .table_keep_resident(RESIDENT_TABLE_BYTES);
    // Linux 6.7 and newer say which pages were written; without that all of them would have to
    // be zeroed by hand, the untouched ones too.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(RESIDENT_MEMORY_BYTES);
    }
    pool
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::{compiling_engine, engine};
    use crate::limits::CallLimits;

    fn hash(engine: &wasmtime::Engine) -> u64 {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn what_the_helper_compiles_is_what_the_server_runs() {
        let serving = engine(2, &CallLimits::default()).unwrap();
        assert_eq!(hash(&compiling_engine().unwrap()), hash(&serving));
    }
}
