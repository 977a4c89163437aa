"""The report's style sheet: for wide and narrow windows, light and dark schemes, screen and paper."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --text: #1d2733; --soft: #4a5664; --back: #ffffff; --raised: #f3f6f9; --line: #c9d2dc;
  --accent: #1f5f86; --bar: #2e6d8e }
@media (prefers-color-scheme: dark) { :root { --text: #e8edf2; --soft: #b4c0cc; --back: #14191f; --raised: #1d242c;
  --line: #3b4754; --accent: #8cc7ea; --bar: #4d9cc4 } }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--text);
  background: var(--back) }
header, main, footer { max-width: 110rem; margin: 0 auto; padding: 0 1rem }
.skip { position: absolute; left: -99rem; padding: .4rem .7rem; background: var(--back) }
.skip:focus { left: 0; top: 0; z-index: 1 }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1.5rem 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-top: .6rem; border-top: 2px solid var(--line) }
h3 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
p { max-width: 46rem; margin: .5rem 0 }
a { color: var(--accent) }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
nav a { display: inline-block; padding: .2rem 0 }
figure { margin: 0 }
figcaption { color: var(--soft); font-size: .86rem; max-width: 46rem; margin-top: .3rem; overflow-wrap: anywhere }
img { vertical-align: top }
main figure img { outline: 1px solid var(--line) }
.pictures { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: flex-start; margin: .8rem 0 }
.pictures > * { max-width: 100% }
.pictures > ul { flex: 1 1 14rem; margin: 0; padding-left: 1.2rem }
.heats { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(clamp(8rem, 15vw, 22rem), 1fr)) }
.columns { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)) }
.photo, .input { background-size: 100% 100%; print-color-adjust: exact; -webkit-print-color-adjust: exact;
  outline: 1px solid var(--line) }
.stack { max-width: 100% }
.stack > img { display: block; width: 100%; height: 100%; opacity: .62; image-rendering: pixelated }
.sheets figure { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: flex-start }
.sheets > figure { padding: .3rem .7rem }
.sheets figcaption { flex: 1 1 12rem }
.scroll { overflow-x: auto; margin-block: .5rem; background: linear-gradient(to right, var(--under) 60%, transparent) left,
  linear-gradient(to left, var(--under) 60%, transparent) right, linear-gradient(to right, var(--line), transparent) left,
  linear-gradient(to left, var(--line), transparent) right; background-attachment: local, local, scroll, scroll;
  background-repeat: no-repeat; background-size: 2.5rem 100%, 2.5rem 100%, .8rem 100%, .8rem 100%; --under: var(--back) }
details .scroll { --under: var(--raised) }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--soft); padding: .2rem 0; max-width: min(46rem, calc(100vw - 3.5rem)) }
th, td { padding: .18rem .7rem .18rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { white-space: nowrap }
.layers th[scope=row] { overflow-wrap: anywhere; min-width: min(10rem, 30vw); white-space: normal }
.layers td:nth-of-type(1) { min-width: min(13rem, 30vw) }
details { margin: .35rem 0; border: 1px solid var(--line); border-radius: 6px; background: var(--raised) }
summary { cursor: pointer; padding: .4rem .7rem; overflow-wrap: anywhere }
details[open] > summary { border-bottom: 1px solid var(--line) }
details > :not(summary) { margin-left: .7rem; margin-right: .7rem }
details details { background: var(--back) }
summary small { color: var(--soft); font-size: .86rem }
.share { display: inline-block; height: .7em; min-width: 1px; background: var(--bar); margin-right: .4em }
.scale { display: inline-block; width: 8rem; height: .8em; vertical-align: middle; margin: 0 .4em }
.facts { list-style: none; padding: 0; margin: .4rem 0 }
.facts li { padding: .05rem 0 }
footer { color: var(--soft); font-size: .86rem; margin-top: 3rem; padding-bottom: 2rem }
@media (max-width: 36rem) { header, main, footer { padding: 0 .7rem } h1 { font-size: 1.4rem } .pictures { gap: .8rem } }
@media print { details { break-inside: avoid } }
"""
