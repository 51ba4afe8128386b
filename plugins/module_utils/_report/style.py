# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page looks: light and dark by the reader's choice, and on paper."""

from __future__ import annotations

CSS = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1b2026;--quiet:#5b6673;--line:#d9dee4;--track:#e6eaee;
--critical:#c42b32;--warning:#b86e00;--info:#2667b8;--healthy:#23814a;--could_not_check:#6d5f96;
--critical-soft:#fbe9ea;--warning-soft:#fcf1dd;--info-soft:#e7f0fb;--healthy-soft:#e4f4ea;--could_not_check-soft:#eeebf6;
--s0:#2667b8;--s1:#23814a;--s2:#b86e00;--s3:#6d5f96;--s4:#12818c;--s5:#8a8f98}
@media(prefers-color-scheme:dark){:root{--page:#14171b;--card:#1d2127;--text:#e5e9ee;--quiet:#9aa5b1;--line:#333a43;--track:#2c333b;
--critical:#ff7b80;--warning:#f0a93a;--info:#74aef5;--healthy:#58c283;--could_not_check:#b3a3e2;
--critical-soft:#40191c;--warning-soft:#3a2c10;--info-soft:#16283f;--healthy-soft:#15301f;--could_not_check-soft:#292340;
--s0:#74aef5;--s1:#58c283;--s2:#f0a93a;--s3:#b3a3e2;--s4:#4cc0cc;--s5:#9aa0a9}}
*{box-sizing:border-box}html{scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main,header>div,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{background:var(--card);border-bottom:1px solid var(--line);border-top:6px solid var(--tone);padding:22px 0 18px}
h1{font-size:27px;line-height:1.25;margin:0 0 2px}h2{font-size:19px;margin:0 0 10px}h3{font-size:15px;margin:18px 0 6px}
p{margin:0 0 10px}a{color:inherit;text-decoration-color:var(--quiet);text-underline-offset:3px}.quiet{color:var(--quiet)}
.verdict{display:flex;gap:14px;align-items:center}.lead{font-size:17px;margin:8px 0 0}
.badge{display:inline-flex;align-items:center;gap:6px;padding:1px 9px 1px 7px;border-radius:99px;font-size:13px;font-weight:600;
white-space:nowrap;
color:var(--tone);background:var(--soft)}
.badge b{font-size:12px}.big{width:44px;height:44px;flex:none;justify-content:center;padding:0}.big b{font-size:24px}
.critical{--tone:var(--critical);--soft:var(--critical-soft)}.warning{--tone:var(--warning);--soft:var(--warning-soft)}
.info{--tone:var(--info);--soft:var(--info-soft)}.healthy{--tone:var(--healthy);--soft:var(--healthy-soft)}
.could_not_check{--tone:var(--could_not_check);--soft:var(--could_not_check-soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:10px;margin:20px 0}
.tile{display:block;background:var(--card);border:1px solid var(--line);border-left:4px solid var(--tone);border-radius:8px;
padding:10px 12px;
text-decoration:none}
.tile strong{display:block}.tile span.fact{display:block;color:var(--quiet);font-size:13px;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:0 0 16px;
scroll-margin-top:12px}
h2 .quiet{font-size:14px;font-weight:400}
section>h2{display:flex;justify-content:space-between;gap:10px;align-items:center}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--quiet);font-weight:600;font-size:12.5px;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);
white-space:nowrap}
td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
tr:last-child>td{border-bottom:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.w{min-width:170px}
td.k{white-space:nowrap}td small{display:block;color:var(--quiet)}
tr:target>td{background:var(--info-soft)}code,.log td{font-family:ui-monospace,"Liberation Mono",Menlo,monospace;font-size:12.5px}
.bar{display:flex;align-items:center;gap:8px;min-width:190px}.bar svg{width:110px;height:12px;flex:none}.bar.wide svg{width:auto;
flex:1;height:18px}
.bar span{font-size:13px;white-space:nowrap;font-variant-numeric:tabular-nums}.bar.none{color:var(--quiet);font-size:13px}
.track{fill:var(--track)}.fill.healthy{fill:var(--healthy)}.fill.warning{fill:var(--warning)}.fill.critical{fill:var(--critical)}
.fill.plain{fill:var(--s0)}.tick{fill:var(--text);opacity:.55}
.series.s0{fill:var(--s0)}.series.s1{fill:var(--s1)}.series.s2{fill:var(--s2)}.series.s3{fill:var(--s3)}.series.s4{fill:var(--s4)}
.series.s5{fill:var(--s5)}
.keys{margin:8px 0 0;font-size:13px;color:var(--quiet)}.key{margin-right:16px;white-space:nowrap}
.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px;background:var(--tone)}
i.s0{--tone:var(--s0)}i.s1{--tone:var(--s1)}i.s2{--tone:var(--s2)}i.s3{--tone:var(--s3)}i.s4{--tone:var(--s4)}i.s5{--tone:var(--s5)}
.plot{width:100%;height:auto;display:block}.plot text{fill:var(--quiet);font-size:11px}.plot .grid{stroke:var(--line)}
.plot rect{fill:var(--tone)}
.reason{background:var(--soft);color:var(--text);border-left:4px solid var(--tone);border-radius:4px;padding:8px 12px;
overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:10px 18px;margin:0 0 6px}
dt{color:var(--quiet);font-size:12.5px}dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
ul.changes{list-style:none;margin:0 0 4px;padding:0}ul.changes li{padding:3px 0}
footer{color:var(--quiet);font-size:13px;padding-bottom:30px}
@media print{:root{color-scheme:light;--page:#fff}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:11px}section,.tile,tr{break-inside:avoid}section{border:0;padding:6px 0}}
"""
