// The page's style. Colours are named once for light and once for dark; nothing is loaded from anywhere.

const LIGHT = `--bg:#f7f7f5;--card:#fff;--ink:#1c2126;--muted:#5d6770;--line:#e1e4e8;--good:#1a7f4b;--bad:#c62828;
--warn:#a86200;--good-bg:#e6f4ec;--bad-bg:#fdeaea;--warn-bg:#fdf3e0;--primary:#2a5fd0;--primary-ink:#fff;
--replica:#c3d4f1;--replica-ink:#27406f;--candidate:#e3a82b;--candidate-ink:#3f2c00;--closed:#7b8590;--closed-ink:#fff;
--down:#eceef0;--down-ink:#6a737c;--provisioning:#8c62c4;--provisioning-ink:#fff;--ack:#35a06a;--ack-ink:#fff;
--outage:#d33f3f;--outage-ink:#fff;--fault:#c4511a;--fault-ink:#fff;--event:#39424b;--held:#d8dce1;--held-ink:#3a434c;`;

const DARK = `--bg:#13161a;--card:#1a1e23;--ink:#e6e9ec;--muted:#98a2ad;--line:#2b3138;--good:#5cc48d;--bad:#f07c7c;
--warn:#e0a94a;--good-bg:#17301f;--bad-bg:#3a1c1c;--warn-bg:#33270f;--primary:#5c8df0;--primary-ink:#0b1430;
--replica:#2c426b;--replica-ink:#c4d6f7;--candidate:#c9922a;--candidate-ink:#1d1400;--closed:#59626d;--closed-ink:#eef;
--down:#22272d;--down-ink:#8b949e;--provisioning:#9a78d2;--provisioning-ink:#150a26;--ack:#2f8f5d;--ack-ink:#eafff3;
--outage:#d95050;--outage-ink:#fff;--fault:#d9722f;--fault-ink:#1d0d00;--event:#c9d1d9;--held:#333a42;--held-ink:#cfd6dd;`;

const KINDS = [
  ["acknowledging", "ack"],
  ["outage", "outage"],
  ["primary", "primary"],
  ["replica", "replica"],
  ["candidate", "candidate"],
  ["closed", "closed"],
  ["provisioning", "provisioning"],
  ["held", "held"],
  ["fault", "fault"],
] as const;

const kinds = KINDS.map(
  ([kind, name]) =>
    `.k-${kind} rect,.k-${kind} path{fill:var(--${name})}.k-${kind} text{fill:var(--${name}-ink)}`,
).join("\n");

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1280px;margin:0 auto;padding:32px 28px 64px}
h1{font-size:30px;line-height:1.15;margin:0 0 6px;letter-spacing:-.015em}
h2{font-size:20px;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:16px;margin:30px 0 2px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
p{margin:0 0 10px;max-width:78ch}
a{color:inherit}
.muted{color:var(--muted)}
.small{font-size:13px}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.banner{display:flex;align-items:center;gap:14px;margin:22px 0 14px;padding:14px 18px;border-radius:10px;font-size:18px;font-weight:600}
.banner small{font-weight:400;font-size:14px}
.banner .sign{font-size:24px;line-height:1}
.good{background:var(--good-bg);color:var(--good)}
.bad{background:var(--bad-bg);color:var(--bad)}
.warn{background:var(--warn-bg);color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:26px;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile span{color:var(--muted);font-size:13px}
.tile.is-bad{border-color:var(--bad)}.tile.is-bad b{color:var(--bad)}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;margin-top:12px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:600;color:var(--muted);text-align:left;padding:10px 14px 8px;white-space:nowrap;vertical-align:bottom}
td{padding:11px 14px;border-top:1px solid var(--line);vertical-align:top}
td.num,th.num{text-align:right;white-space:nowrap}
td .name{font-weight:600;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:14px;text-decoration:none}
td .does{color:var(--muted);font-size:13px;max-width:38ch;margin-top:2px}
.over{color:var(--bad);font-weight:600}
.none{color:var(--muted)}
.strip{display:flex;flex-wrap:wrap;gap:3px;width:124px;margin-top:5px}
.strip a{width:9px;height:9px;border-radius:2px;display:block}
.s-passed{background:var(--good)}.s-failed{background:var(--bad)}.s-invalid{background:var(--warn)}.s-skipped{background:var(--line)}
.pill{display:inline-block;border-radius:99px;padding:1px 9px;font-size:12px;font-weight:600;vertical-align:1px}
.else{font-size:12.5px;color:var(--muted);line-height:1.45;white-space:nowrap}
.else b{font-weight:500;color:var(--ink)}
.else sup a{text-decoration:none;color:var(--muted)}
sup{line-height:0}
.dots{display:block;width:190px;height:34px}
.dots .dot{fill:var(--primary);fill-opacity:.55}
.dots .axis,.dots .grid{stroke:var(--line)}
.dots text{fill:var(--muted);font-size:9.5px}
.dots .limit{stroke:var(--bad);stroke-width:1.5}
.dots .limit.median{stroke:var(--warn);stroke-dasharray:2 2}
.dots .median-mark{fill:var(--ink)}
details{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:4px 0;padding:0 18px}
details[open]{padding-bottom:14px;margin:10px 0}
details.is-failed{border-color:var(--bad)}
summary{cursor:pointer;padding:6px 0;display:flex;gap:14px;align-items:baseline;flex-wrap:wrap}
summary::-webkit-details-marker{display:none}
summary::before{content:"▸";color:var(--muted);width:10px}
details[open]>summary::before{content:"▾"}
summary .n{font-weight:600;min-width:72px}
summary .outage{font-variant-numeric:tabular-nums}
.cols{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:6px 34px;margin-top:10px}
.cols h4{margin:6px 0 2px;font-size:12px;color:var(--muted);font-weight:600}
.cols ul{margin:0;padding:0;list-style:none;font-size:14px}
.cols li{padding:2px 0;overflow-wrap:anywhere}
.reasons{margin:4px 0 10px;padding:8px 14px;border-radius:8px}
.reasons p{margin:2px 0;max-width:none;overflow-wrap:anywhere}
.timeline{display:block;width:100%;height:auto;margin:8px 0;font-family:inherit}
.timeline text{font-size:11.5px;fill:var(--ink)}
.timeline .lane{font-size:12.5px;fill:var(--muted)}
.timeline .time,.timeline .note{font-size:11px;fill:var(--muted)}
.timeline .rule{stroke:var(--line)}
.timeline .tick{stroke:var(--line);stroke-dasharray:1 3}
.timeline .band{fill:var(--outage);fill-opacity:.13}
.timeline .band-label{fill:var(--outage);font-weight:650;font-size:13px}
.timeline .guide{stroke-width:1.2;stroke-dasharray:4 3}
.timeline .begin{stroke:var(--fault)}.timeline .heal{stroke:var(--good)}
.timeline .phase path{fill:var(--ink)}.timeline .phase text{font-size:11px;fill:var(--muted)}
.timeline .said{font-size:11.5px;fill:var(--muted)}
${kinds}
.k-down rect{fill:var(--down);stroke:var(--down-ink);stroke-opacity:.5;stroke-dasharray:3 2}
.k-down text{fill:var(--down-ink)}.k-down path{fill:var(--down-ink)}
.k-event path{fill:var(--event)}.k-event text{fill:var(--ink)}.k-event rect{fill:var(--event)}
.mark path{stroke:var(--card);stroke-width:1}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:13px;color:var(--muted);margin:10px 0 0;padding:0;list-style:none}
.legend svg{width:22px;height:12px;vertical-align:-1px;margin-right:6px}
ol.sources{font-size:13px;color:var(--muted);padding-left:22px}
footer{margin-top:48px;font-size:13px;color:var(--muted)}
@media print{body{background:#fff}main{max-width:none;padding:0}.wide,details,.tile{break-inside:avoid}}
`;
