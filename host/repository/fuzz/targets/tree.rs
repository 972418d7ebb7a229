#![no_main]
lockgate_repository_fuzz::target!(lockgate_repository_fuzz::rules::tree);
