<?php

return ['driver' => 'array', 'lifetime' => 120, 'lottery' => [0, 100], 'cookie' => 'contacts_session'];
