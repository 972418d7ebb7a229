//! Every setting of the WebAssembly runtime, on one page. Nothing is left to a default of wasmtime that matters for what a
//! plugin may do; what the settings mean stands in wasmtime's documentation of `Config`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, Result, Strategy, WasmBacktraceDetails,
};

use crate::limits::STACK_BYTES;

/// Functions named in the message of a trap, at most.
const BACKTRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(12).expect("twelve is not zero");

/// An engine with the settings that compile and run plugins.
///
/// # Errors
/// When this machine lacks what the settings need.
pub fn engine() -> Result<Engine> {
    Engine::new(&settings())
}

/// Changes when code that was compiled before cannot be loaded any more: with the version of wasmtime, the settings and the
/// features of the processor. For the key of a cache.
///
/// # Errors
/// When this machine lacks what the settings need.
pub fn engine_hash() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    engine()?.precompile_compatibility_hash().hash(&mut hasher);
    Ok(hasher.finish())
}

fn settings() -> Config {
    let mut config = Config::new();
    code(&mut config);
    language(&mut config);
    resources(&mut config);
    config
}

/// How code is made. Cranelift is the compiler that is fuzzed and supported longest.
fn code(config: &mut Config) {
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(false)
        .parallel_compilation(true)
        .debug_info(false)
        .native_unwind_info(false)
        .generate_address_map(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES_MAX));
}

/// What the language offers: what compilers of plugins use, and no more. Threads, garbage collection, exceptions and
/// component-model async are not even compiled into wasmtime.
fn language(config: &mut Config) {
    config
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_component_model(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_simd(true)
        .wasm_extended_const(true)
        .wasm_tail_call(true)
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_component_model_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false)
        .wasm_shared_everything_threads(false)
        .gc_support(false);
}

/// What an instance gets. The on-demand allocator maps and unmaps memory for each instance, so none sees what another left.
/// Linear memories reserve the whole 32-bit range with guard pages, which makes bounds checks free; what may be used of it
/// is the business of the limiter.
fn resources(config: &mut Config) {
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(STACK_BYTES)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .guard_before_linear_memory(true)
        .memory_may_move(false)
        .memory_init_cow(true)
        .table_lazy_init(true)
        .signals_based_traps(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_stable_within_one_build() {
        assert_eq!(engine_hash().unwrap(), engine_hash().unwrap());
    }

    #[test]
    fn features_outside_the_page_are_refused() {
        let engine = engine().unwrap();
        let refused = [
            "(module (memory 1 1 shared))",
            "(module (memory i64 1))",
            "(module (type (struct)))",
            "(module (tag))",
            "(module (func (result v128) (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0))))",
        ];
        for text in refused {
            assert!(
                wasmtime::Module::new(&engine, wat::parse_str(text).unwrap()).is_err(),
                "{text}"
            );
        }
        assert!(
            wasmtime::Module::new(&engine, wat::parse_str("(module (memory 1))").unwrap()).is_ok()
        );
    }
}
