from npfaceapi.cli import main

raise SystemExit(main())
