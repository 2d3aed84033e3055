//! Which file imports from which: paths are followed through modules and re-exports to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    imports::{self, Imports},
    source,
};

/// The files of a crate, and what they import.
pub struct Graph {
    files: Vec<File>,
    /// Path of a module to its file.
    modules: BTreeMap<Vec<String>, usize>,
}

struct File {
    /// Relative to `src`, such as `gateway/judge.rs`.
    path: String,
    module: Vec<String>,
    imports: Imports,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(Vec<String>),
    /// An item of this file.
    Item(usize),
}

/// Longest chain of re-exports that is followed.
const MAX_STEPS: usize = 16;

/// Files that import from each other, and the names that they take: `from -> to: names`.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle {
    pub files: BTreeSet<String>,
    pub imports: Vec<String>,
}

impl Graph {
    /// Reads files, each with its path relative to `src`. Unit tests are left out.
    pub fn new(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let (mut files, mut tests) = (Vec::new(), BTreeSet::new());
        for (path, text) in sources {
            let module = module_of(&path);
            let split = source::split(&source::tokens(&text));
            for name in split.test_modules {
                tests.insert(module.iter().cloned().chain([name]).collect::<Vec<_>>());
            }
            files.push(File { path, module, imports: imports::read(&split.product) });
        }
        files.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
        let modules = files.iter().enumerate().map(|(index, file)| (file.module.clone(), index)).collect();
        Self { files, modules }
    }

    /// Returns all cycles of imports.
    pub fn cycles(&self) -> Vec<Cycle> {
        let edges: Vec<BTreeMap<usize, BTreeSet<String>>> =
            (0..self.files.len()).map(|file| self.imports_of(file)).collect();
        let reachable: Vec<BTreeSet<usize>> = (0..edges.len()).map(|file| reach(&edges, file)).collect();
        let mut cycles: Vec<BTreeSet<usize>> = Vec::new();
        for file in 0..edges.len() {
            let same: BTreeSet<usize> =
                reachable[file].iter().copied().filter(|other| reachable[*other].contains(&file)).collect();
            if !same.is_empty() && !cycles.contains(&same) {
                cycles.push(same);
            }
        }
        let name = |file: &usize| self.files[*file].path.clone();
        let report = |cycle: BTreeSet<usize>| {
            let imports = cycle.iter().flat_map(|from| {
                let inside = edges[*from].iter().filter(|(to, _)| cycle.contains(to));
                inside.map(move |(to, names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    format!("{} -> {}: {}", name(from), name(to), names.join(", "))
                })
            });
            Cycle { files: cycle.iter().map(name).collect(), imports: imports.collect() }
        };
        cycles.into_iter().map(report).collect()
    }

    /// Returns the files that a file imports from, with the names that it takes.
    fn imports_of(&self, file: usize) -> BTreeMap<usize, BTreeSet<String>> {
        let File { module, imports, .. } = &self.files[file];
        let mut found: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut add = |target: Option<Target>, name: &str| {
            if let Some(Target::Item(to)) = target
                && to != file
            {
                found.entry(to).or_default().insert(name.to_owned());
            }
        };
        for import in &imports.imports {
            // A name that is only handed on is a dependency of the file that takes it from here.
            if import.is_reexport && !imports.words.contains(&import.name) {
                continue;
            }
            let target = self.target(module, &import.path, MAX_STEPS);
            match target {
                Some(Target::Module(of)) if import.name == "*" => {
                    add(self.modules.get(&of).map(|file| Target::Item(*file)), "*");
                }
                target => add(target, import.path.last().map_or("", String::as_str)),
            }
        }
        for path in &imports.paths {
            add(self.target(module, path, MAX_STEPS), &path.join("::"));
        }
        found
    }

    /// Follows a path that stands in a module. `None`: it leads out of the crate, or is no path of an item.
    fn target(&self, module: &[String], path: &[String], steps: usize) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else { return Some(Target::Module(module.to_vec())) };
        let steps = steps.checked_sub(1)?;
        match first.as_str() {
            "crate" => return self.target(&[], rest, steps),
            "self" => return self.target(module, rest, steps),
            "super" => return self.target(module.split_last()?.1, rest, steps),
            _ => {}
        }
        let child: Vec<String> = module.iter().cloned().chain([first.clone()]).collect();
        let is_module = self.modules.contains_key(&child);
        if is_module && !rest.is_empty() {
            return self.target(&child, rest, steps);
        }
        let Some(&file) = self.modules.get(module) else { return is_module.then_some(Target::Module(child)) };
        let imports = &self.files[file].imports;
        if imports.definitions.contains(first) {
            return Some(Target::Item(file));
        }
        let named = imports.imports.iter().filter(|import| import.name == *first);
        for target in named.filter_map(|import| self.target(module, &import.path, steps)) {
            match target {
                Target::Item(file) => return Some(Target::Item(file)),
                Target::Module(of) if !is_module => return self.target(&of, rest, steps),
                Target::Module(_) => {}
            }
        }
        if is_module {
            return Some(Target::Module(child));
        }
        let all = imports.imports.iter().filter(|import| import.name == "*" && import.is_reexport);
        all.filter_map(|import| self.target(module, &import.path, steps)).find_map(|target| match target {
            Target::Module(of) if of != module => self.target(&of, path, steps),
            _ => None,
        })
    }
}

/// Returns the files that can be reached from a file over one import or more.
fn reach(edges: &[BTreeMap<usize, BTreeSet<String>>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = edges[from].keys().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(edges[file].keys());
        }
    }
    reached
}

/// Returns the module of a file, such as `["gateway", "judge"]`.
pub fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib")) {
        module.pop();
    }
    module
}
