use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

/// Turns a core module into a component. Interfaces whose functions the module does not use are left out. A module that is
/// a component already (as `wasm32-wasip2` makes them) stays as it is.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    // The fourth to eighth byte tell components (version 13, layer 1) from core modules.
    if module.get(4..8) == Some(&[0x0d, 0, 1, 0]) {
        return Ok(module.to_vec());
    }
    ComponentEncoder::default()
        .module(module)
        .context("the module carries no contract: is `lockgate_plugin::export!` there?")?
        .validate(true)
        .encode()
        .context("the module does not fit the contract")
}

/// The interfaces from which the component uses a function or a resource's method, in order.
pub fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("a package of interfaces, not a component");
    };
    let world = resolve.worlds.get(world).context("a component without a world")?;
    let mut imports = Vec::new();
    for (key, item) in &world.imports {
        let has_functions = match item {
            WorldItem::Interface { id, .. } => {
                resolve.interfaces.get(*id).is_none_or(|interface| !interface.functions.is_empty())
            }
            WorldItem::Function(_) => true,
            WorldItem::Type { .. } => false,
        };
        if has_functions {
            imports.push(resolve.name_world_key(key));
        }
    }
    imports.sort();
    Ok(imports)
}
