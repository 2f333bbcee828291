//! The tables of nginx's modules.

use std::fmt::Write as _;

use super::super::cell::Cell;
use super::super::report::Report;

/// What each nginx is, and what it did with each module.
pub(super) fn tables(page: &mut String, report: &Report) {
    if report.nginxes.is_empty() {
        return;
    }
    page.push_str(
        "\n## Modules of nginx\n\n\
         Debian's nginx is told to load each module and checks its configuration (`nginx -t`). It judges nothing before it loads, so that \
         the observation is what its loader and its own comparison of version and signature do. The prediction is made from the bytes of \
         the module, of nginx and of the libraries around it.\n\n\
         | nginx | version | C library | signature |\n| --- | --- | --- | --- |\n",
    );
    for nginx in &report.nginxes {
        let _ =
            writeln!(page, "| {} | {} | {} | `{}` |", nginx.name, nginx.version, nginx.libc, nginx.signature);
    }
    page.push_str("\n| module | built for |");
    for nginx in &report.nginxes {
        let _ = write!(page, " {} |", nginx.name);
    }
    let _ = write!(page, "\n| --- | --- |{}\n", " --- |".repeat(report.nginxes.len()));
    for module in &report.modules {
        let _ = write!(page, "| {} | {} |", module.name, module.target);
        for nginx in &report.nginxes {
            let cell = report.module_cell(&nginx.name, &module.id());
            let _ = write!(page, " {} |", cell.map_or_else(|| "absent".to_owned(), summary));
        }
        page.push('\n');
    }
}

/// What nginx did, and why.
fn summary(cell: &Cell) -> String {
    let mark = if cell.agree { "" } else { "**!** " };
    let reason = cell.reasons.first().map_or_else(String::new, |reason| format!(": `{}`", reason.code));
    format!("{mark}{}{reason}", cell.observed)
}

#[cfg(test)]
mod tests {
    use super::super::page;
    use super::*;

    #[test]
    fn what_each_nginx_did_with_each_module_is_told() {
        let page = page(&Report::sample());
        let modules = page.split("## ").find(|section| section.starts_with("Modules")).unwrap();
        insta::assert_snapshot!(modules, @"
        Modules of nginx

        Debian's nginx is told to load each module and checks its configuration (`nginx -t`). It judges nothing before it loads, so that the observation is what its loader and its own comparison of version and signature do. The prediction is made from the bytes of the module, of nginx and of the libraries around it.

        | nginx | version | C library | signature |
        | --- | --- | --- | --- |
        | nginx-1.26-x86_64 | 1.26.3 | glibc 2.41 | `8,4,8,00` |

        | module | built for | nginx-1.26-x86_64 |
        | --- | --- | --- |
        | set-backend | nginx-1.26-x86_64 | works |
        | minimal | nginx-1.26-x86_64 | **!** crashed |
        | minimal | nginx-1.22-x86_64 | refused: `nginx.version` |
        ");
        let example = "| `nginx.version` | minimal is built for nginx 1.22.1 | nginx-1.22-x86_64/minimal | nginx-1.26-x86_64 |";
        assert!(page.contains(example), "{page}");
    }
}
